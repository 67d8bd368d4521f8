// Upstream: answers about names of others, from the machine's own resolvers, kept for as long as they may be.
//
// Bounded in everything: answers kept, questions under way and who waits for them, time. The same question asked twice
// at a time is sent once. Each goes out from a port of its own with a drawn number, and what is no answer to it from
// whom it was sent to is not heard (RFC 5452).
// Thread safety: everything on the strand given at construction. Lifetime: env and strand outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <minikube/env.h>

#include "client/lru_map.h"
#include "network/dns/message.h"

namespace minikube::network::dns {

struct UpstreamOptions {
  // Addresses to ask, in this order; "[...]:port" and "a.b.c.d:port" name a port other than 53. Asked anew for each
  // question that is sent.
  std::function<std::vector<std::string>()> servers;
  std::size_t cache_entries = 10'000;
  std::size_t max_in_flight = 1'000;  // questions under way
  std::size_t max_waiting = 4'000;    // who wait for them
  Duration try_timeout = std::chrono::seconds(2);
  int tries = 4;                       // over all servers
  std::uint32_t longest_seconds = 30;  // for which an answer is kept, whatever it says
};

class Upstream {
 public:
  // An answer with the code, records and time to live that it has now; kServerFailure if there was none.
  using Answered = Function<void(const Message&)>;

  Upstream(UpstreamOptions options, Env& env, Strand& strand);
  ~Upstream();

  // `answered` may be called at once. It is not called once this has gone.
  void Ask(const Question& question, Answered answered);
  std::size_t in_flight() const { return queries_.size(); }
  std::size_t cached() const { return cache_.size(); }

 private:
  class Query;
  struct Kept {
    Message message;
    MonoTime stored{};
    MonoTime until{};
  };
  struct Waiting {
    std::shared_ptr<Query> query;
    std::vector<Answered> waiting;
  };
  void Done(const std::string& key, Message answer);
  void Keep(const std::string& key, const Message& answer);

  const UpstreamOptions options_;
  Env& env_;
  Strand& strand_;
  client::LruMap<Kept> cache_;
  std::map<std::string, Waiting> queries_;
  std::size_t waiting_ = 0;
};

}  // namespace minikube::network::dns
