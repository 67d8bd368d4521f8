// A container's log as a streamed body.
#pragma once

#include <memory>
#include <string>

#include <minikube/env.h>
#include <minikube/function.h>

#include "api/stages/api_core.h"
#include "http/message.h"

namespace minikube::api {

// Starts the stream and calls `reply` once: with the error if the log cannot be had, else with a text reply whose
// source reads on. Waits for the first data or the end, but not longer than a second. `reply` runs on `strand`, which
// outlives all.
void StreamPodLog(PodLogTarget target, Strand& strand, Function<void(HttpReply)> reply);

}  // namespace minikube::api
