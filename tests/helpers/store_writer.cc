// store_writer DIR THREADS: writes to the store in DIR until it is killed. After each acknowledgement it prints the
// line "REVISION KEY VALUE" in one write(2), so what stands on stdout was acknowledged.
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include <minikube/store.h>

int main(int argc, char** argv) {
  using namespace minikube;
  if (argc != 3) return 2;
  const std::unique_ptr<Env> env = NewRealEnv(2);
  StoreOptions options;
  options.path = argv[1];
  options.write_buffer_bytes = 256 << 10;  // tables are written and compacted while the kill comes
  Result<std::unique_ptr<Store>> store = OpenStore(options, *env);
  if (!store) {
    fmt::print(stderr, "{}\n", store.status().ToString());
    return 1;
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < std::stoi(argv[2]); ++t) {
    threads.emplace_back([&store = **store, t] {
      for (int i = 0;; ++i) {
        const std::string key = fmt::format("k{}/{}", t, i % 50);
        const std::string value =
            fmt::format("{}.{}.{}", getpid(), i, std::string(static_cast<std::size_t>(i % 700), 'x'));
        Transaction txn;
        txn.writes.push_back({.key = key, .value = value});
        txn.writes.push_back({.key = fmt::format("last{}", t), .value = value});
        const Result<CommitResult> result = store.Commit(std::move(txn));
        if (!result) _exit(3);
        const std::string line = fmt::format("{} {} {}\n", result->revision, key, value);
        if (write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) _exit(4);
        if (t == 0 && i % 200 == 199 && !store.Compact(result->revision - 100).ok()) _exit(5);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}
