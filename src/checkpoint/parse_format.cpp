#include "a8w8/checkpoint.h"
#include "a8w8/status.h"
#include "checkpoint/json_text.h"

namespace a8w8 {

CheckpointFormat parse_format(const std::string& name) {
  for (const CheckpointFormat format : {CheckpointFormat::kMsModelSlim, CheckpointFormat::kCompressedTensors}) {
    if (name == format_name(format)) return format;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "format is " + checkpoint::quote(name) + "; allowed: msmodelslim, compressed-tensors");
}

}  // namespace a8w8
