// Core: what the stages and handlers of one engine share.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "api/cache.h"
#include "api/engine.h"
#include "api/event_lease.h"
#include "api/gate.h"
#include "api/pages.h"
#include "api/rbac.h"
#include "api/registry.h"
#include "api/signing_key.h"
#include "api/verified_tokens.h"
#include "api/watch_hub.h"

namespace minikube::api {

struct Core {
  Core(Engine::Options engine_options, Store& store, Env& env, Logger log)
      : options(std::move(engine_options)),
        store(store),
        env(env),
        log(log),
        hub(registry, {.max_queue = options.max_watch_queue}),
        cache(registry, store, hub, log),
        rbac(registry),
        verified_tokens(*options.signing_key),
        strand(env.NewStrand("api.engine")) {}

  const SigningKey& signing_key() const { return *options.signing_key; }

  // Where pods find this server; nullopt if they cannot.
  std::optional<ServerAddress> server_address() const {
    std::lock_guard lock(address_mu);
    return address;
  }

  const Engine::Options options;
  Store& store;
  Env& env;
  const Logger log;
  const Registry registry;
  WatchHub hub;
  Cache cache;
  const Rbac rbac;
  const VerifiedTokens verified_tokens;
  Pages pages;
  EventLease event_lease;
  mutable std::mutex address_mu;
  std::optional<ServerAddress> address;  // guarded by address_mu
  Gate gate;                             // requests in flight
  std::unique_ptr<Strand> strand;        // second attempts and timers; last, so that its tasks end first
};

}  // namespace minikube::api
