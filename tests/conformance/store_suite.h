// What every Store must do, whatever it is made of. A harness opens the store under test; the cases check it through
// the public interface only. Register them with RunSuite inside a TEST_CASE.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <minikube/env.h>
#include <minikube/store.h>
#include <minikube/store_tools.h>

namespace minikube::test {

class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual Env& env() = 0;
  virtual Store& store() = 0;
  // Ends the store and opens what it left behind. False if this kind leaves nothing.
  virtual bool Reopen() = 0;
  // A store like this one, made anew and empty, with these limits (path is the harness's affair).
  virtual void OpenAnew(StoreOptions options) = 0;
  // A store of the same kind, restored from a snapshot file.
  virtual Result<std::unique_ptr<Store>> Restore(const std::string& snapshot, const RestoreOptions& options) = 0;
  virtual std::string TempPath(std::string_view name) = 0;

  // Time passes for the store.
  virtual void Advance(Duration by) = 0;
  // Queued commits and background work get their turn until `reached`; false if it was not within a generous deadline.
  virtual bool Settle(const std::function<bool()>& reached) = 0;
};

struct StoreCase {
  std::string_view name;
  void (*run)(StoreHarness& harness);
};

// One thread, time under control: needs Advance.
std::span<const StoreCase> SequentialStoreCases();
// The same, of what people do to look after a store.
std::span<const StoreCase> OperationsStoreCases();
// Many threads in real time.
std::span<const StoreCase> ConcurrentStoreCases();

}  // namespace minikube::test
