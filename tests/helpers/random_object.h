// Random valid objects of any kind, made from its descriptor: for round-trip tests, fuzzing seeds and benchmarks.
#pragma once

#include <cstdint>
#include <random>

#include <minikube/object.h>

namespace minikube::testing {

struct RandomOptions {
  // The chance of a field to be filled; 1 fills every field of every message.
  double density = 1;
  // Strings of letters and digits only, instead of all that JSON can carry.
  bool tame_strings = false;
};

// The same seed gives the same object. A type that contains itself is filled to two levels. Values are those that every
// encoding keeps: bounds and enums are respected, unions have one member, times have the precision of their type, and
// nothing optional is engaged with a value that JSON writes as null.
ObjectPtr RandomObject(const MessageDesc& desc, std::uint64_t seed, const RandomOptions& options = {});

// True if every field of the message, and of all it may contain, has a protobuf number.
bool HasProtobufForm(const MessageDesc& desc);

}  // namespace minikube::testing
