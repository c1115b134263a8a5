// The two Ascend product families, which accept different combinations of dtypes.
#pragma once

#include <string_view>

namespace a8w8 {

enum class Product { kAtlasA2, kAtlasInference };

const char* product_name(Product product);     // "atlas-a2", "atlas-inference": the values of A8W8_PRODUCT
Product parse_product(std::string_view name);  // throws Error(kInvalidArgument) naming the known ones

// What calls use that name no product: the last set_default_product, or else A8W8_PRODUCT, which is read once, or else
// kAtlasA2. Throws Error if the variable holds an unknown name.
Product default_product();
void set_default_product(Product product);

}  // namespace a8w8
