// What RocksDB alone takes of the store's writes: the ceiling of any store on it, on the machine at hand.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "bench/load.h"

namespace minikube::bench {

// One thread looks for each of `kTogether` new keys and then writes the records of their puts as one batch, in an empty
// database of the store's options in `directory`, which is removed afterwards; again and again, for `seconds`. Nothing
// is logged or synced, nobody waits, nothing is published.
Load FillRocks(const std::string& directory, double seconds, const std::function<std::string(std::uint64_t)>& key,
               const std::function<std::string(std::uint64_t)>& value);

}  // namespace minikube::bench
