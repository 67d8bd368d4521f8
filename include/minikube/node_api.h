// NodeApi: what the API server asks of the node agent that runs a pod: logs, commands, attaching, connections to ports.
// In process it is the agent itself.
//
// Whatever streams is held by the one who asked, on a strand of theirs, and each side asks for the next piece only when
// it can take it. Thread safety: every member, any thread. Lifetime: the strands outlive what was asked for on them;
// streams and handles may outlive the NodeApi.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <minikube/env.h>
#include <minikube/exec.h>
#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

// As core/v1 PodLogOptions.
struct LogRequest {
  std::string ns;
  std::string pod;
  std::string pod_uid;
  std::string container;
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::optional<std::int64_t> tail_lines;
  std::optional<std::int64_t> limit_bytes;
  std::optional<std::int64_t> since_seconds;
  std::string since_time;
};

struct ExecRequest {
  std::string ns;
  std::string pod;
  std::string pod_uid;
  std::string container;
  ExecSpec spec;  // without a command: attach to the container's own process
};

struct PodPortRequest {
  std::string ns;
  std::string pod;
  std::string pod_uid;
  std::uint16_t port = 0;
};

// A log that is being read; destroying it ends that, and nothing is told any more once the destructor has returned on
// the strand that it is told on.
class LogHandle {
 public:
  virtual ~LogHandle() = default;
};

class NodeApi {
 public:
  virtual ~NodeApi() = default;
  // Runs a command in a container, or attaches to the container's process. First `accepted` is called once; the events
  // follow only if it was OK. All on `strand`. An attached stream ends with 0 when the container's process has ended,
  // whatever its exit code, and when the input has been closed of a container whose input outlives who attaches
  // (without stdinOnce). Whether there is a terminal, the container says then, not the request. Errors: kNotFound (the
  // pod is not on this node), kInternal (the container does not run), kNotImplemented, kUnavailable (stopping).
  virtual std::unique_ptr<ExecStreams> Exec(ExecRequest request, Strand& strand, Function<void(Status)> accepted,
                                            ExecEvents events) = 0;
  // Connects by TCP to a port of a pod, from within its network: to 127.0.0.1 there, else to ::1. What is written goes
  // there, and CloseInput shuts that direction down; what comes from there is kOut. `accepted` and events as with Exec;
  // the end is 0, or kUnavailable if nobody listens or the connection broke. Errors: kNotFound (the pod is not on this
  // node, or has no sandbox), kNotImplemented, kUnavailable (stopping).
  virtual std::unique_ptr<ExecStreams> Connect(PodPortRequest request, Strand& strand, Function<void(Status)> accepted,
                                               ExecEvents events) = 0;
  // Streams a container's log: `on_data` repeatedly, then `on_end` once, both on `strand`. The agent reads the next
  // piece (at most 64 KiB) only after the task of the one before has run. Destroying the handle ends the stream.
  virtual std::unique_ptr<LogHandle> StreamLog(LogRequest request, Strand& strand, Function<void(std::string)> on_data,
                                               Function<void(Status)> on_end) = 0;
};

}  // namespace minikube
