// Exec: a process in a container whose standard streams somebody holds (kubectl exec and attach), or a connection to a
// port of a pod that is held the same way (kubectl port-forward). The vocabulary that Runtime, which has the process,
// and NodeApi, through which the API server reaches it, have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <minikube/function.h>
#include <minikube/status.h>

namespace minikube {

// In characters.
struct TerminalSize {
  std::uint16_t width = 0;
  std::uint16_t height = 0;
};

enum class OutputStream : std::uint8_t { kOut, kErr };

struct ExecSpec {
  std::vector<std::string> command;  // argv; empty = the container's own process (attach)
  // Which streams are wanted; the process has nothing at the others. With a terminal all output is kOut.
  bool in = false;
  bool out = false;
  bool err = false;
  bool tty = false;
};

// What is told to the holder of the streams. Never called within a call of ExecStreams, and never again once the
// ExecStreams has been destroyed, which must not happen within on_output or on_taken.
struct ExecEvents {
  // A piece of output, 32 KiB at most. The next one follows only after ReadOn.
  Function<void(OutputStream, std::string)> on_output;
  // So many bytes of what was written have been taken by the process, or dropped because it takes no more. Who writes
  // faster than that fills memory: keep count.
  Function<void(std::size_t)> on_taken;
  // Once, after all output: the exit code (128 + signal if it was killed by one). Errors: kBadRequest (the process
  // cannot be started), kUnavailable (the node agent stops), kInternal.
  Function<void(Result<int>)> on_end;
};

// The near end of the streams. Destroying it ends them: a process that was started for it is killed.
class ExecStreams {
 public:
  virtual ~ExecStreams() = default;
  virtual void Write(std::string data) = 0;
  // The process reads the end of its input after what was written. A terminal has no end: nothing happens.
  virtual void CloseInput() = 0;
  // Of no effect without a terminal.
  virtual void Resize(TerminalSize size) = 0;
  // The last piece of output has been dealt with.
  virtual void ReadOn() = 0;
};

}  // namespace minikube
