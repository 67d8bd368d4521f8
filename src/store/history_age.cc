#include "store/history_age.h"

namespace minikube::store {

Revision HistoryAge::Sample(MonoTime now, Revision revision) {
  samples_.push_back({now, revision});
  while (samples_.size() > 1 && samples_[1].time <= now - age_) samples_.pop_front();
  return samples_.front().time <= now - age_ ? samples_.front().revision : 0;
}

}  // namespace minikube::store
