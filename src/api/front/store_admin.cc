#include "api/front/store_admin.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include <minikube/store_tools.h>

#include "api/front/route.h"
#include "api/wire/errors.h"
#include "api/wire/reply.h"

namespace minikube::api {
namespace {

// A snapshot as a body: the strand reads the next piece while the connection sends the one before.
class SnapshotSource final : public BodySource {
 public:
  SnapshotSource(std::unique_ptr<SnapshotReader> reader, Strand& strand)
      : feed_(std::make_shared<Feed>()), strand_(strand) {
    feed_->reader = std::move(reader);
    ReadNext();
  }

  std::shared_ptr<Signal> signal() override { return feed_->signal; }

  State Pull(std::size_t, std::string& out) override {
    {
      std::lock_guard lock(feed_->mu);
      if (feed_->reading) return State::kWait;
      if (!feed_->status.ok()) return State::kAbort;
      if (feed_->piece.empty()) return State::kDone;
      out += feed_->piece;
      feed_->piece.clear();
    }
    ReadNext();
    return State::kMore;
  }

 private:
  struct Feed {
    const std::shared_ptr<Signal> signal = std::make_shared<Signal>();
    std::unique_ptr<SnapshotReader> reader;  // of the strand's task
    std::mutex mu;                           // guards the rest
    bool reading = false;
    std::string piece;  // empty: that was all
    Status status;
  };

  void ReadNext() {
    {
      std::lock_guard lock(feed_->mu);
      feed_->reading = true;
    }
    strand_.Post([feed = feed_] {
      std::string piece;
      Status status = feed->reader->Read(piece);
      {
        std::lock_guard lock(feed->mu);
        feed->piece = std::move(piece);
        feed->status = std::move(status);
        feed->reading = false;
      }
      feed->signal->Notify();
    });
  }

  const std::shared_ptr<Feed> feed_;
  Strand& strand_;
};

HttpReply Answer(Result<std::string> json) {
  if (json) return TextReply(*std::move(json) + "\n", "application/json");
  const Status& status = json.status();
  return StatusReply(status.code() == Code::kCancelled ? Status(Code::kUnavailable, status.message()) : status);
}

}  // namespace

StoreAdminHandler::~StoreAdminHandler() {
  Stop();
  if (work_) work_->Stop();
  if (pieces_) pieces_->Stop();
}

bool StoreAdminHandler::IsStorePath(const std::vector<std::string>& segments) {
  return segments.size() == 3 && segments[0] == "debug" && segments[1] == "store";
}

void StoreAdminHandler::Handle(const std::string& method, const Target& target, Function<void(HttpReply)> reply) {
  const std::string& what = target.segments[2];
  const bool reads = what == "status" || what == "check" || what == "snapshot";
  if (!reads && what != "compact" && what != "disarm") return reply(StatusReply(NoSuchResource()));
  if (method != (reads ? "GET" : "POST")) {
    return reply(StatusReply(MethodNotAllowed()));
  }
  if (what == "snapshot") return SendSnapshot(std::move(reply));
  if (what == "status") return Run([this] { return Report(StoreAdmin::Depth::kCount); }, std::move(reply));
  if (what == "check") return Run([this] { return Report(StoreAdmin::Depth::kVerify); }, std::move(reply));
  if (what == "disarm") {
    return Run(
        [this]() -> Result<std::string> {
          MINIKUBE_RETURN_IF_ERROR(store_.admin()->Disarm());
          return std::string("{}");
        },
        std::move(reply));
  }
  const Result<std::optional<std::int64_t>> revision = target.query.GetInt("revision");
  if (!revision) return reply(StatusReply(revision.status()));
  Run([this, to = *revision] { return Compact(to.value_or(store_.revision())); }, std::move(reply));
}

void StoreAdminHandler::Run(std::function<Result<std::string>()> work, Function<void(HttpReply)> reply) {
  std::lock_guard lock(mu_);
  if (!work_) work_ = env_.NewBlockingStrand("store-door");
  work_->Post([this, work = std::move(work), reply = std::move(reply)] {
    if (stop_.stop_requested()) return reply(Answer(Status(Code::kUnavailable, "the API server is stopping")));
    reply(Answer(work()));
  });
}

void StoreAdminHandler::SendSnapshot(Function<void(HttpReply)> reply) {
  std::lock_guard lock(mu_);
  if (!pieces_) pieces_ = env_.NewBlockingStrand("store-snapshots");
  pieces_->Post([this, strand = pieces_.get(), reply = std::move(reply)] {
    Result<std::unique_ptr<SnapshotReader>> reader = store_.admin()->Snapshot();
    if (!reader) return reply(StatusReply(reader.status()));
    HttpReply out;
    out.content_type = "application/octet-stream";
    out.source = std::make_unique<SnapshotSource>(*std::move(reader), *strand);
    reply(std::move(out));
  });
}

Result<std::string> StoreAdminHandler::Report(StoreAdmin::Depth depth) {
  const Result<StoreReport> report = store_.admin()->Examine(depth, stop_.get_token());
  if (!report) return report.status();
  return ToJson(*report, depth == StoreAdmin::Depth::kVerify);
}

Result<std::string> StoreAdminHandler::Compact(Revision revision) {
  const std::uint64_t before = store_.status().disk_bytes;
  MINIKUBE_RETURN_IF_ERROR(store_.Compact(revision));
  MINIKUBE_RETURN_IF_ERROR(store_.admin()->Reclaim());
  return fmt::format("{{\"compactRevision\": {}, \"diskBytesBefore\": {}, \"diskBytes\": {}}}", revision, before,
                     store_.status().disk_bytes);
}

}  // namespace minikube::api
