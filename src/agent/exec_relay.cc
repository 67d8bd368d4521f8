#include "agent/exec_relay.h"

#include <utility>

namespace minikube::agent {

template <typename F>
void ExecRelay::OnAgent(F task) {
  agent_.Post([self = shared_from_this(), task = std::move(task)]() mutable {
    if (self->streams_ != nullptr) task(*self->streams_);
  });
}

class ExecRelay::Handle final : public ExecStreams {
 public:
  Handle(std::shared_ptr<ExecRelay> relay, std::shared_ptr<void> keep)
      : keep_(std::move(keep)), relay_(std::move(relay)) {}
  ~Handle() override {
    relay_->abandoned_ = true;
    relay_->agent_.Post([relay = relay_] { relay->streams_.reset(); });
  }
  void Write(std::string data) override {
    relay_->OnAgent([data = std::move(data)](ExecStreams& streams) mutable { streams.Write(std::move(data)); });
  }
  void CloseInput() override {
    relay_->OnAgent([](ExecStreams& streams) { streams.CloseInput(); });
  }
  void Resize(TerminalSize size) override {
    relay_->OnAgent([size](ExecStreams& streams) { streams.Resize(size); });
  }
  void ReadOn() override {
    relay_->OnAgent([](ExecStreams& streams) { streams.ReadOn(); });
  }

 private:
  const std::shared_ptr<void> keep_;  // goes last
  const std::shared_ptr<ExecRelay> relay_;
};

ExecRelay::ExecRelay(Strand& agent, Strand& holder, Function<void(Status)> accepted, ExecEvents events)
    : agent_(agent), holder_(holder), accepted_(std::move(accepted)), events_(std::move(events)) {}

std::unique_ptr<ExecStreams> ExecRelay::Holder(std::shared_ptr<void> keep) {
  return std::make_unique<Handle>(shared_from_this(), std::move(keep));
}

void ExecRelay::Tell(Task task) {
  holder_.Post([self = shared_from_this(), task = std::move(task)] {
    if (!self->abandoned_) task();
  });
}

ExecEvents ExecRelay::RuntimeEvents() {
  // The runtime's end of the streams holds these, and this holds that: no strong reference back.
  ExecEvents events;
  events.on_output = [this](OutputStream stream, std::string data) {
    Tell([this, stream, data = std::move(data)]() mutable { events_.on_output(stream, std::move(data)); });
  };
  events.on_taken = [this](std::size_t bytes) { Tell([this, bytes] { events_.on_taken(bytes); }); };
  events.on_end = [this](Result<int> exit_code) {
    ended_ = true;
    Tell([this, exit_code = std::move(exit_code)]() mutable { events_.on_end(std::move(exit_code)); });
  };
  return events;
}

void ExecRelay::Answer(Result<std::unique_ptr<ExecStreams>> streams) {
  answered_ = true;
  ended_ = !streams;
  Tell([this, status = streams.status()] { accepted_(status); });
  if (streams && !abandoned_) streams_ = std::move(streams).value();
}

void ExecRelay::AgentStopped() {
  streams_.reset();
  const Status stopped(Code::kUnavailable, "the node agent is stopping");
  if (!answered_) return Tell([this, stopped] { accepted_(stopped); });
  if (!ended_) Tell([this, stopped] { events_.on_end(stopped); });
}

}  // namespace minikube::agent
