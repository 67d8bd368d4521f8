// What an informer in this process follows: a table of the newest World, or the part of it that a selection matches.
#pragma once

#include <functional>
#include <memory>

#include "api/registry/core.h"
#include "api/registry/request_context.h"
#include "client/state_source.h"

namespace minikube::api {

struct LocalMoment final : client::Moment {
  explicit LocalMoment(Snapshot s) : world(std::move(s)) {}
  const Snapshot world;
};

// See StateSource::Follow.
std::unique_ptr<client::StateSource::Following> NewLocalFollowing(std::shared_ptr<Core> core, RequestContext context,
                                                                  std::function<void()> changed);

}  // namespace minikube::api
