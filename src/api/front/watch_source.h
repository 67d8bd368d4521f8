// A watch as a streamed body: JSON values one per line, or protobuf frames with a four-byte length before each
// (apimachinery's length-delimited framer around metav1.WatchEvent).
#pragma once

#include <memory>

#include <minikube/env.h>

#include "api/front/route.h"
#include "api/stages/api_core.h"
#include "http/message.h"

namespace minikube::api {

// Appends one frame. `object` is an encoded object. Any thread.
void AppendWatchFrame(MediaType type, std::string_view event, std::string_view object, std::string& out);

// Appends an ERROR event: why there is no more.
void AppendErrorFrame(MediaType type, const Status& status, std::string& out);

// "application/json" or "application/vnd.kubernetes.protobuf;stream=watch".
std::string WatchContentType(MediaType type);

// Ends the body when the watch ends, with an ERROR event if the client is to know why, or after `timeout`. The source
// owns the stream; `signal` is the one that the stream's on_ready notifies. `timers` and `clock` outlive it.
std::unique_ptr<BodySource> NewWatchSource(const Route& route, std::unique_ptr<WatchStream> stream,
                                           std::shared_ptr<Signal> signal, Duration timeout, Strand& timers,
                                           const Clock& clock);

}  // namespace minikube::api
