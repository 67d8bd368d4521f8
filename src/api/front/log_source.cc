#include "api/front/log_source.h"

#include <optional>
#include <utility>

#include "api/streams/pulled_strand.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

class LogSource final : public BodySource {
 public:
  LogSource(PodLogTarget target, Strand& timers)
      : signal_(std::make_shared<Signal>()), node_(std::move(target.node)), strand_(timers, signal_) {
    handle_ = node_->StreamLog(
        std::move(target.request), strand_, [this](std::string data) { data_ += data; },
        [this](Status status) { end_ = std::move(status); });
  }

  std::shared_ptr<Signal> signal() override { return signal_; }

  State Pull(std::size_t want, std::string& out) override {
    // The agent reads on only after the task of the piece before has run: running them no faster than the client reads
    // is all the flow control there is.
    while (data_.size() < want && strand_.RunOne()) {
    }
    const bool any = !data_.empty();
    out += data_;
    data_.clear();
    if (any) return State::kMore;
    if (!end_) return State::kWait;
    return end_->ok() ? State::kDone : State::kAbort;
  }

  const std::optional<Status>& end() const { return end_; }

 private:
  std::shared_ptr<Signal> signal_;
  std::shared_ptr<NodeApi> node_;
  PulledStrand strand_;
  std::string data_;
  std::optional<Status> end_;
  std::unique_ptr<LogHandle> handle_;  // last: goes first, so that no callback finds the rest gone
};

// The first piece, held back until the reply could be decided on; then the rest.
class StartedSource final : public BodySource {
 public:
  StartedSource(std::string first, std::unique_ptr<BodySource> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}
  std::shared_ptr<Signal> signal() override { return rest_->signal(); }
  State Pull(std::size_t want, std::string& out) override {
    if (first_.empty()) return rest_->Pull(want, out);
    out += std::exchange(first_, {});
    return State::kMore;
  }

 private:
  std::string first_;
  std::unique_ptr<BodySource> rest_;
};

// A log that has not yet said whether it can be had. Used on the frontend's strand only.
struct Pending {
  std::unique_ptr<LogSource> source;
  Function<void(HttpReply)> reply;

  void Advance(bool overdue) {
    if (!source) return;
    std::string first;
    const BodySource::State state = source->Pull(64u << 10, first);
    if (state == BodySource::State::kWait && !overdue) return;
    source->signal()->Unbind();
    if (state == BodySource::State::kAbort) {
      const Status status = *source->end();
      source.reset();
      return reply(StatusReply(status));
    }
    HttpReply out = TextReply("", "text/plain");
    out.source = std::make_unique<StartedSource>(std::move(first), std::move(source));
    reply(std::move(out));
  }
};

}  // namespace

void StreamPodLog(PodLogTarget target, Strand& strand, Function<void(HttpReply)> reply) {
  auto pending = std::make_shared<Pending>();
  pending->source = std::make_unique<LogSource>(std::move(target), strand);
  pending->reply = std::move(reply);
  // The signal belongs to the source, and the source to `pending`: a strong reference here would be a cycle.
  strand.After(std::chrono::seconds(1), [pending] { pending->Advance(true); });
  pending->source->signal()->Bind([weak = std::weak_ptr(pending), &strand] {
    strand.Post([weak] {
      if (const auto held = weak.lock()) held->Advance(false);
    });
  });
}

}  // namespace minikube::api
