#include "api/world/watcher.h"

#include <algorithm>
#include <utility>

namespace minikube::api {

// ---- WatchGroup ---------------------------------------------------------------------------------------------------

void WatchGroup::Join(const std::shared_ptr<Watcher>& watcher) {
  std::lock_guard lock(mu_);
  watcher->next_ = log_end();
  watchers_.push_back(watcher);
}

bool WatchGroup::Leave(const Watcher& watcher) {
  std::lock_guard lock(mu_);
  const auto it = std::find_if(watchers_.begin(), watchers_.end(), [&](const auto& w) { return w.get() == &watcher; });
  if (it == watchers_.end()) return false;
  CaughtUp(**it);
  Trim();
  std::swap(*it, watchers_.back());
  watchers_.pop_back();
  return watchers_.empty();
}

bool WatchGroup::Look(const std::shared_ptr<const ChangeEvent>& change) {
  if (!selection_.everything()) counters_->evaluations.fetch_add(1, std::memory_order_relaxed);
  WatchItem item = ChangeEvent::ItemFor(change, selection_, message_);
  if (item.change == nullptr) return false;
  aside_.push_back(std::move(item));
  return aside_.size() == 1;
}

void WatchGroup::Append(std::vector<std::shared_ptr<Watcher>>& woken) {
  if (aside_.empty()) return;
  counters_->items.fetch_add(static_cast<std::int64_t>(aside_.size()), std::memory_order_relaxed);
  const Revision newest = aside_.back().revision;
  std::lock_guard lock(mu_);
  std::move(aside_.begin(), aside_.end(), std::back_inserter(log_));
  aside_.clear();
  for (const auto& watcher : watchers_) {
    if (!watcher->end_.ok()) continue;
    if (!watcher->is_behind_) {
      // Of the World that its owner has seen: nothing to be woken for.
      if (newest <= watcher->after_) {
        watcher->next_ = log_end();
        continue;
      }
      watcher->is_behind_ = true;
      ++behind_;
      woken.push_back(watcher);
    }
    if (log_end() - watcher->next_ <= max_behind_) continue;
    counters_->terminated.fetch_add(1, std::memory_order_relaxed);
    watcher->end_ = Status(Code::kExpired, "the watcher is too slow: too many events are waiting for it");
    CaughtUp(*watcher);
    woken.push_back(watcher);
  }
  Trim();
}

void WatchGroup::CaughtUp(Watcher& watcher) {
  watcher.next_ = log_end();
  if (std::exchange(watcher.is_behind_, false)) --behind_;
}

void WatchGroup::Trim() {
  std::uint64_t oldest = log_end();
  if (behind_ > 0) {
    for (const auto& watcher : watchers_) {
      if (watcher->is_behind_) oldest = std::min(oldest, watcher->next_);
    }
  }
  log_.erase(log_.begin(), log_.begin() + static_cast<std::ptrdiff_t>(oldest - log_begin_));
  log_begin_ = oldest;
}

void WatchGroup::End(const Status& why, std::vector<std::shared_ptr<Watcher>>& woken) {
  std::lock_guard lock(mu_);
  for (const auto& watcher : watchers_) {
    if (!watcher->end_.ok()) continue;
    watcher->end_ = why;
    woken.push_back(watcher);
  }
}

// ---- Watcher ------------------------------------------------------------------------------------------------------

std::vector<WatchItem> Watcher::Take(Status& end) {
  std::vector<WatchItem> items;
  WatchGroup& group = *group_;
  std::lock_guard lock(group.mu_);
  end = end_;
  if (is_behind_) {
    auto it = group.log_.begin() + static_cast<std::ptrdiff_t>(next_ - group.log_begin_);
    items.reserve(static_cast<std::size_t>(group.log_.end() - it));
    for (; it != group.log_.end(); ++it) {
      // What its beginning showed already.
      if (it->revision > after_) items.push_back(*it);
    }
    group.CaughtUp(*this);
    if (group.behind_ == 0) group.Trim();
  }
  if (!items.empty()) told_ = items.back().revision;
  if (const Revision bookmark = std::exchange(bookmark_, 0); bookmark > told_ || (bookmark > 0 && items.empty())) {
    told_ = std::max(told_, bookmark);
    items.push_back({WatchEvent::Type::kBookmark, nullptr, told_, false});
  }
  return items;
}

void Watcher::Skip(Revision revision, Status& end) {
  std::lock_guard lock(group_->mu_);
  end = end_;
  after_ = std::max(after_, revision);
  bookmark_ = 0;
  group_->CaughtUp(*this);
  if (group_->behind_ == 0) group_->Trim();
}

bool Watcher::Bookmark(Revision revision) {
  std::lock_guard lock(group_->mu_);
  if (!end_.ok()) return false;
  bookmark_ = revision;
  return !is_behind_;  // else it has been woken
}

void Watcher::Wake() {
  std::lock_guard call(call_mu_);
  if (on_ready_) on_ready_();
}

void Watcher::Close() {
  std::lock_guard call(call_mu_);
  on_ready_ = nullptr;
}

}  // namespace minikube::api
