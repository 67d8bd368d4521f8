// What watchers are told: a committed change, and the view of it that each of them gets.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <minikube/client.h>
#include <minikube/codec.h>
#include <minikube/store.h>

namespace minikube::api {

class ChangeEvent;
class Selection;

// One committed change of one object.
struct ObjectChange {
  ObjectRef object;    // the new state; for a deletion the last one, stamped with its revision
  ObjectRef previous;  // null if created
  bool deleted = false;
  Revision revision = 0;
};

// What one watcher is to be told: the change, seen through its selector.
struct WatchItem {
  WatchEvent::Type type = WatchEvent::Type::kAdded;
  std::shared_ptr<const ChangeEvent> change;  // null for a bookmark
  Revision revision = 0;
  bool initial_events_end = false;  // bookmark that ends sendInitialEvents
};

// A change that watchers are told of, shared by all of them. What it is to some of them (in another type, as the
// departure of what left a selection), and its bytes in each form, are made when first asked for and kept as long as
// somebody has the event.
// Thread safety: any thread.
class ChangeEvent {
 public:
  explicit ChangeEvent(ObjectChange change) : change_(std::move(change)) {}
  ChangeEvent(ObjectRef object, ObjectRef previous, bool deleted, Revision revision)
      : change_{std::move(object), std::move(previous), deleted, revision} {}
  ~ChangeEvent();

  const ObjectRef& object() const { return change_.object; }
  const ObjectRef& previous() const { return change_.previous; }
  bool deleted() const { return change_.deleted; }
  Revision revision() const { return change_.revision; }

  // The item for a watcher of that selection that wants objects in that type; null change if the selection does not see
  // it. `self` is this event.
  static WatchItem ItemFor(const std::shared_ptr<const ChangeEvent>& self, const Selection& selection,
                           const MessageDesc& message);

  // The bytes in the form of that name, which `make(std::string& out)` writes: called by whoever asks first, while
  // others who want that form wait. After a dozen forms no more are kept, and each caller gets its own in `scratch`.
  template <typename Make>
  std::string_view InForm(std::string_view name, std::string& scratch, const Make& make) const {
    if (const Form* form = FindForm(name)) return form->bytes;
    std::unique_lock lock(mu_);
    if (const Form* form = FindForm(name)) return form->bytes;
    if (forms_made_ == kMaxForms) {
      lock.unlock();
      scratch.clear();
      make(scratch);
      return scratch;
    }
    ++forms_made_;
    auto form = std::make_unique<Form>(Form{std::string(name), {}, forms_.load(std::memory_order_relaxed)});
    make(form->bytes);
    const std::string_view bytes = form->bytes;
    forms_.store(form.release(), std::memory_order_release);
    return bytes;
  }
  // How many forms have been kept so far.
  std::size_t forms() const {
    std::lock_guard lock(mu_);
    return forms_made_;
  }

 private:
  static constexpr std::size_t kMaxForms = 12;
  // Forms are added in front and never change: looking for one needs no lock.
  struct Form {
    std::string name;
    std::string bytes;
    const Form* next;
  };

  const Form* FindForm(std::string_view name) const {
    for (const Form* form = forms_.load(std::memory_order_acquire); form != nullptr; form = form->next) {
      if (form->name == name) return form;
    }
    return nullptr;
  }
  // Itself if its objects are of that type; null if they cannot be.
  static std::shared_ptr<const ChangeEvent> InType(const std::shared_ptr<const ChangeEvent>& self,
                                                   const MessageDesc& message);
  std::shared_ptr<const ChangeEvent> Departure() const;

  const ObjectChange change_;
  mutable std::atomic<const Form*> forms_ = nullptr;
  mutable std::mutex mu_;  // guards what is below, and the adding of forms
  mutable std::size_t forms_made_ = 0;
  mutable std::shared_ptr<const ChangeEvent> departure_;  // as a deletion, for those whose selection it has left
  mutable std::vector<std::pair<const MessageDesc*, std::shared_ptr<const ChangeEvent>>> converted_;
};

// A watcher's end of a watch: bounded, pulled by its owner. Destroying it ends the watch; `on_ready` (any thread,
// short) is not called after the destructor has returned.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // What has come since; empty if nothing. `end` is set to the reason once the watch is over (kExpired: too slow or too
  // old; kUnavailable: stopping) and stays OK before.
  virtual std::vector<WatchItem> Take(Status& end) = 0;
  // The same for an owner that only wants to know that there is news: it has seen everything up to `revision`
  // elsewhere, and is not woken for that.
  virtual void Skip(Revision revision, Status& end) {
    (void)revision;
    Take(end);
  }
};

}  // namespace minikube::api
