// What the harnesses share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <minikube/codec.h>

namespace minikube::fuzz {

// Reports `what` on stderr and aborts if `holds` is false, which is how a fuzzer learns of a bug.
void Check(bool holds, std::string_view what);

// A random object of every kind in that encoding, some full and some sparse.
std::vector<std::string> EncodedObjects(MediaType type);

// What each harness has for a start.
std::vector<std::string> Seeds();

}  // namespace minikube::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
