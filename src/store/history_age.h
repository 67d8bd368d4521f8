// HistoryAge: which revision was the newest some time ago, for compaction by age. Knows time and revisions only.
// Thread safety: none.
#pragma once

#include <deque>

#include <minikube/store.h>

namespace minikube::store {

class HistoryAge {
 public:
  explicit HistoryAge(Duration age) : age_(age) {}
  // How often Sample wants to be called: what is kept is older than the age by up to this.
  Duration interval() const { return age_ / 5; }
  // Notes that `revision` is the newest now. Returns one that was the newest at least the age ago; 0 if none is known.
  Revision Sample(MonoTime now, Revision revision);

 private:
  struct Known {
    MonoTime time;
    Revision revision = 0;
  };
  const Duration age_;
  std::deque<Known> samples_;
};

}  // namespace minikube::store
