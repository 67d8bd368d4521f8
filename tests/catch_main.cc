#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

#ifdef __SANITIZE_THREAD__
// Debian's RocksDB is not instrumented: the sanitizer sees its accesses to memory that it also gives us, but not the
// atomics that order them.
extern "C" const char* __tsan_default_suppressions() { return "race:rocksdb::\n"; }
#endif

#ifdef __SANITIZE_ADDRESS__
// RocksDB 7.8 forgets the new memtable when it cannot write the new log, which only fault injection makes happen.
extern "C" const char* __lsan_default_suppressions() { return "leak:rocksdb::DBImpl::SwitchMemtable\n"; }
#endif
