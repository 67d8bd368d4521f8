#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#ifdef __SANITIZE_THREAD__
// Debian's RocksDB is not instrumented: the sanitizer sees its accesses to memory that it also gives us, but not the
// atomics that order them.
extern "C" const char* __tsan_default_suppressions() { return "race:rocksdb::\n"; }
#endif
