// What the cases of the suite share: short writes, readable dumps, and the model.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <minikube/store.h>

namespace minikube::test {

// Commits one write, which must succeed; its revision.
Revision Put(Store& store, std::string key, std::string value, LeaseId lease = 0);
Revision Delete(Store& store, std::string key);

// "7 put key=value new", "8 delete key".
std::string Line(const Change& change);
std::vector<std::string> Lines(const std::vector<Change>& changes);
// All changes since `start`, from history.
std::vector<std::string> Changes(Store& store, Revision start);
// All that can be read: every retained revision's keys, and the history.
std::vector<std::string> Dump(Store& store);
// Random puts, deletions and larger transactions over few keys, at most one in `compact_every` followed by Compact (0 =
// never).
void RandomHistory(Store& store, unsigned seed, int steps, int compact_every);

// All states by revision, kept naively.
class Model {
 public:
  // One random transaction with random comparisons, applied to both; the outcomes must agree.
  void Step(Store& store, std::mt19937& random);
  void Compact(Store& store, std::mt19937& random);
  void Check(Store& store) const;

 private:
  using State = std::map<std::string, KeyValue>;
  std::vector<State> states_{State(), State()};  // by revision
  std::vector<std::string> changes_;
  Revision compacted_ = 0;
};

}  // namespace minikube::test
