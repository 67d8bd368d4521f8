// HeldStreams: the near end of a command's (or a connection's) streams at a node, as a conversation with a client holds
// them: one piece of output at a time, and a count of the input that has not been taken yet.
//
// Thread safety: one thread at a time, that of the conversation.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/node_api.h>

#include "api/streams/pulled_strand.h"

namespace minikube::api {

class HeldStreams {
 public:
  // Asks the node: NodeApi::Exec or Connect.
  using Open = std::function<std::unique_ptr<ExecStreams>(Strand&, Function<void(Status)>, ExecEvents)>;
  // What the node tells comes when `strand` is run. `waiting` counts the input that waits, of all that share it. Both
  // outlive this.
  HeldStreams(PulledStrand& strand, std::size_t& waiting, const Open& open);
  ~HeldStreams();
  HeldStreams(const HeldStreams&) = delete;
  HeldStreams& operator=(const HeldStreams&) = delete;

  // The node's answer; nullopt if it has not come yet.
  const std::optional<Status>& accepted() const { return accepted_; }

  // What is left of the piece of output that is here; "" = there is none now.
  std::string_view output() const { return std::string_view(piece_).substr(at_); }
  OutputStream output_stream() const { return stream_; }
  // So much of it has been dealt with. The node reads on once that is all of it.
  void Took(std::size_t bytes);
  // How it ended, once all output has been taken; null before.
  const Result<int>* end() const { return end_ && output().empty() ? &*end_ : nullptr; }

  void Write(std::string_view data);
  void CloseInput();
  void Resize(TerminalSize size) { streams_->Resize(size); }
  // Bytes of input that have been taken since this was asked last.
  std::size_t TakeTaken();

 private:
  std::size_t& waiting_;
  std::size_t own_waiting_ = 0;
  std::size_t taken_ = 0;
  bool input_closed_ = false;
  std::string piece_;
  std::size_t at_ = 0;
  OutputStream stream_ = OutputStream::kOut;
  std::optional<Status> accepted_;
  std::optional<Result<int>> end_;
  std::unique_ptr<ExecStreams> streams_;  // last: goes first, so that no callback finds the rest gone
};

}  // namespace minikube::api
