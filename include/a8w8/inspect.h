// What a folder holds, and everything that is wrong with it.
//
//   CheckpointReport report = inspect("model-w8a8");
//   puts(report.scheme.c_str());
//   for (const Finding& finding : report.findings) puts(finding.text().c_str());
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace a8w8 {

// One thing that is wrong (or, as a warning, odd). Its parts read as a sentence: tensor, found, "must be" expected.
struct Finding {
  std::string file = {};      // in the folder; "" if it concerns the folder as a whole
  std::string tensor = {};    // "" if it concerns the whole file
  std::string found = {};     // "has nan at index 1"
  std::string expected = {};  // "finite and greater than 0"
  std::string cause = {};     // the likely one
  bool is_warning = false;

  std::string text() const;  // "<file>: tensor "<tensor>" <found>; must be <expected>; likely cause: <cause>"
};

// Layers or other tensors of one type.
struct CheckpointGroup {
  std::string quant_type = {};  // "FLOAT" for all that is not quantized
  bool is_quantized = false;
  int64_t layers = 0;  // quantized ones, or modules with float tensors
  int64_t tensors = 0;
  int64_t bytes = 0;
};

struct CheckpointReport {
  std::string folder;
  std::string format;                      // "msmodelslim", "compressed-tensors", "float", "unknown"
  std::string scheme;                      // in one sentence
  std::string model_dtype;                 // of config.json; "" if it names none
  std::vector<std::string> architectures;  // of config.json
  std::vector<CheckpointGroup> groups;     // quantized ones first
  std::vector<std::string> float_layers;   // float weights of two dimensions: embeddings, heads, layers left out
  int64_t files = 0;                       // with weights
  int64_t total_bytes = 0;                 // of all tensors
  std::vector<Finding> findings;           // the first thousand
  int64_t findings_omitted = 0;

  bool ok() const;  // no findings but warnings
};

// Goes on past damaged files and bad layers. For W4A8_DYNAMIC layers it reads the weights, to check scale_bias. Throws
// Error only if the folder itself cannot be read (kNotFound, kIo).
CheckpointReport inspect(const std::string& folder);

std::string to_json(const CheckpointReport& report);

}  // namespace a8w8
