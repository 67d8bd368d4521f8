#include "fuzz.h"

#include <cstdio>
#include <cstdlib>

#include "helpers/random_object.h"

namespace minikube::fuzz {

void Check(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

std::vector<std::string> EncodedObjects(MediaType type) {
  std::vector<std::string> encoded;
  std::uint64_t seed = 1;
  for (const MessageDesc* desc : AllMessages()) {
    if (desc->gvk.kind.empty()) continue;
    ++seed;
    const testing::RandomOptions options{.density = seed % 4 == 0 ? 1 : 0.3, .tame_strings = seed % 2 == 0};
    std::string bytes;
    Encode(type, *testing::RandomObject(*desc, seed, options), bytes);
    encoded.push_back(std::move(bytes));
  }
  return encoded;
}

}  // namespace minikube::fuzz
