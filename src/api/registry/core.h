// Core: what the stages and handlers of one core share.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "api/auth/authorization.h"
#include "api/auth/verified_tokens.h"
#include "api/custom/definitions.h"
#include "api/kinds/kinds.h"
#include "api/registry/core_options.h"
#include "api/registry/event_lease.h"
#include "api/registry/gate.h"
#include "api/world/cache.h"
#include "api/world/catalogue.h"
#include "api/world/pages.h"
#include "api/world/watch_hub.h"
#include "crypto/signing_key.h"

namespace minikube::api {

class AdmissionChain;
struct RequestStage;
struct AttemptStage;

// What every request passes: first once, then for each attempt; lives as long as the program.
struct StageList {
  std::span<const RequestStage> once;
  std::span<const AttemptStage> repeated;
};

struct Core {
  Core(CoreOptions core_options, StageList stages, Store& store, Env& env, Logger log)
      : options(std::move(core_options)),
        stages(stages),
        store(store),
        env(env),
        log(log),
        built_in(Catalogue::BuiltIn(AllStrategies())),
        definitions(built_in),
        hub({.max_queue = options.max_watch_queue}, env),
        cache(
            built_in, [this](const EntryMap& defined) { return definitions.Serve(defined); }, store, hub, log),
        authorization(*built_in, options.extensions.authorizers),
        verified_tokens(*options.signing_key),
        strand(env.NewStrand("api.core")) {}

  const SigningKey& signing_key() const { return *options.signing_key; }

  // Where pods find this server; nullopt if they cannot.
  std::optional<ServerAddress> server_address() const {
    std::lock_guard lock(address_mu);
    return address;
  }

  const CoreOptions options;
  const StageList stages;
  Store& store;
  Env& env;
  const Logger log;
  const std::shared_ptr<const Catalogue> built_in;  // the kinds that the server itself relies on
  Definitions definitions;                          // used by the cache alone
  WatchHub hub;
  Cache cache;
  const Authorization authorization;
  std::shared_ptr<const AdmissionChain> admission;  // constant once requests come
  const VerifiedTokens verified_tokens;
  Pages pages;
  EventLease event_lease;
  mutable std::mutex address_mu;
  std::optional<ServerAddress> address;  // guarded by address_mu
  Gate gate;                             // requests in flight
  std::unique_ptr<Strand> strand;        // second attempts and timers; last, so that its tasks end first
};

}  // namespace minikube::api
