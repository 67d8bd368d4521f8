#include <minikube/reconciler.h>

#include <utility>

namespace minikube {

void WorkQueue::Add(ObjectKey key) {
  const auto [it, inserted] = state_.try_emplace(key, State::kQueued);
  if (inserted) {
    order_.push_back(std::move(key));
  } else if (it->second == State::kInWork) {
    it->second = State::kInWorkAndDirty;
  }
}

std::optional<ObjectKey> WorkQueue::Take() {
  if (order_.empty()) return std::nullopt;
  ObjectKey key = std::move(order_.front());
  order_.pop_front();
  state_[key] = State::kInWork;
  return key;
}

void WorkQueue::Done(const ObjectKey& key) {
  const auto it = state_.find(key);
  if (it == state_.end() || it->second == State::kQueued) return;
  if (it->second == State::kInWorkAndDirty) {
    it->second = State::kQueued;
    order_.push_back(key);
  } else {
    state_.erase(it);
  }
}

bool WorkQueue::Idle() const { return state_.empty(); }

std::size_t WorkQueue::depth() const { return order_.size(); }

}  // namespace minikube
