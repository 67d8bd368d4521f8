// Reflector: lists one resource and watches it from there, for ever. Errors are waited out with jittered back-off; a
// watch that ends is taken up from the last revision seen; an expired one makes it list anew.
//
// Thread safety: everything on the strand. Lifetime: client, strand and env outlive it; after Stop the sink is not
// called.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/informer.h>

#include "client/backoff.h"

namespace minikube::client {

class Reflector : public std::enable_shared_from_this<Reflector> {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    // The whole content, as of `revision`.
    virtual void OnList(std::vector<ObjectRef> items, std::int64_t revision) = 0;
    // What has changed since, in order.
    virtual void OnEvents(std::vector<WatchEvent> events) = 0;
  };

  Reflector(Client& client, const ResourceDesc& resource, Strand& strand, Env& env, Informer::Options options,
            Sink& sink);

  void Start() { List(); }
  void Stop();
  // Sees to it that there is a list that begins after this call; returns its number.
  std::uint64_t ListAgain();
  // How many lists have begun; in OnList, the number of this one.
  std::uint64_t lists() const { return lists_; }

 private:
  ApiRequest NewRequest(Verb verb) const;
  void List();
  void OnListed(Result<ApiResponse> response);
  void StartWatch();
  void OnWatchEvents(std::vector<WatchEvent> events);
  void OnWatchEnd(const Status& status);
  void After(Duration delay, void (Reflector::*next)());

  Client& client_;
  const ResourceDesc& resource_;
  Strand& strand_;
  Env& env_;
  const Informer::Options options_;
  Sink& sink_;
  Backoff backoff_;
  Call list_;
  std::unique_ptr<WatchHandle> watch_;
  std::int64_t revision_ = 0;
  MonoTime watch_started_{};
  TimerId timer_ = 0;
  std::uint64_t lists_ = 0;
  bool listing_ = false;     // a list is on its way
  bool list_again_ = false;  // the next step is a list, whatever it would have been
  bool stopped_ = false;
};

}  // namespace minikube::client
