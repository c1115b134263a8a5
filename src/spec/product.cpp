#include "a8w8/product.h"

#include <atomic>
#include <cstdlib>

#include "a8w8/status.h"
#include "base/str_cat.h"

namespace a8w8 {
namespace {

constexpr Product kProducts[] = {Product::kAtlasA2, Product::kAtlasInference};
constexpr int kUnset = -1;
std::atomic<int> g_default{kUnset};

Product read_environment() {
  const char* name = std::getenv("A8W8_PRODUCT");
  if (name == nullptr || *name == '\0') return Product::kAtlasA2;
  try {
    return parse_product(name);
  } catch (const Error& e) {
    throw Error(e.code(), str_cat("A8W8_PRODUCT: ", e.what()));
  }
}

// Read once; a value that is refused is read again by the next call.
Product product_from_environment() {
  static const Product product = read_environment();
  return product;
}

}  // namespace

const char* product_name(Product product) { return product == Product::kAtlasA2 ? "atlas-a2" : "atlas-inference"; }

Product parse_product(std::string_view name) {
  for (Product product : kProducts) {
    if (name == product_name(product)) return product;
  }
  throw Error(
      ErrorCode::kInvalidArgument,
      str_cat("product \"", name, "\" is unknown; known are \"atlas-a2\" (Atlas A2/A3) and \"atlas-inference\""));
}

Product default_product() {
  const int set = g_default.load(std::memory_order_relaxed);
  return set == kUnset ? product_from_environment() : static_cast<Product>(set);
}

void set_default_product(Product product) { g_default.store(static_cast<int>(product), std::memory_order_relaxed); }

}  // namespace a8w8
