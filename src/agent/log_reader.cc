#include "agent/log_reader.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
// A record that is longer than this was not written by a runtime: it is passed on in parts.
constexpr std::size_t kMaxRecord = 256 * 1024;

// One record of the file, taken apart.
struct Record {
  std::string_view time;
  bool partial = false;
  std::string_view text;
};

std::optional<Record> ParseRecord(std::string_view line) {
  const std::size_t time_end = line.find(' ');
  if (time_end == std::string_view::npos) return std::nullopt;
  const std::size_t stream_end = line.find(' ', time_end + 1);
  if (stream_end == std::string_view::npos || stream_end + 1 >= line.size()) return std::nullopt;
  const std::size_t tag_end = std::min(line.find(' ', stream_end + 1), line.size());
  Record record;
  record.time = line.substr(0, time_end);
  const std::string_view tag = line.substr(stream_end + 1, tag_end - stream_end - 1);
  record.partial = tag.substr(0, tag.find(':')) == "P";
  if (tag_end < line.size()) record.text = line.substr(tag_end + 1);
  return record;
}

class FileFollower final : public LogFollower, public std::enable_shared_from_this<FileFollower> {
 public:
  FileFollower(Env& env, Strand& reader, LogJob job, LogConsumer consumer)
      : env_(env),
        reader_(reader),
        job_(std::move(job)),
        consumer_(std::move(consumer)),
        parser_(job_.options),
        over_(!job_.source.live) {}
  ~FileFollower() override {
    if (fd_ >= 0) close(fd_);
    if (inotify_ >= 0) close(inotify_);
  }

  void Start() {
    reader_.Post([self = shared_from_this()] { self->Open(); });
  }

  void ContainerOver() override {
    reader_.Post([self = shared_from_this()] {
      self->over_ = true;
      if (std::exchange(self->waiting_, false)) {
        self->Unwatch();
        self->ReadMore();
      }
    });
  }

  void Cancel() override {
    cancelled_ = true;
    Unwatch();
  }

 private:
  void Open() {
    if (cancelled_) return;
    fd_ = open(job_.source.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) {
      return End(Status(errno == ENOENT ? Code::kNotFound : Code::kInternal,
                        fmt::format("cannot open the container's log: {}", std::strerror(errno))));
    }
    if (job_.follow && !over_) {
      // Before the first read: what is written after it is announced.
      inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
      if (inotify_ < 0 || inotify_add_watch(inotify_, job_.source.path.c_str(), IN_MODIFY) < 0) {
        return End(Status(Code::kInternal, fmt::format("cannot follow the container's log: {}", std::strerror(errno))));
      }
    }
    if (job_.tail_lines) {
      Result<std::uint64_t> offset = TailOffset(fd_, *job_.tail_lines);
      if (!offset) return End(offset.status());
      lseek(fd_, static_cast<off_t>(*offset), SEEK_SET);
    }
    ReadMore();
  }

  void ReadMore() {
    if (cancelled_) return;
    // Whether the container was over before this read: only then is its end the end.
    const bool last_words = over_;
    std::string out;
    bool more = true;
    buffer_.resize(kPiece);
    while (out.empty() && more) {
      const ssize_t n = read(fd_, buffer_.data(), buffer_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return End(Status(Code::kInternal, fmt::format("cannot read the log: {}", std::strerror(errno))));
      if (n == 0) return last_words || !job_.follow ? End({}) : Wait();
      more = parser_.Feed({buffer_.data(), static_cast<std::size_t>(n)}, out);
    }
    consumer_.strand->Post([self = shared_from_this(), out = std::move(out), more]() mutable {
      if (self->cancelled_) return;
      if (!out.empty()) self->consumer_.on_data(std::move(out));
      if (self->cancelled_) return;
      if (!more) return self->consumer_.on_end({});
      self->reader_.Post([self] { self->ReadMore(); });
    });
  }

  void Wait() {
    buffer_ = {};  // a stream that waits for hours holds nothing
    waiting_ = true;
    std::uint64_t id = env_.WatchFd(inotify_, FdEvent::kReadable, reader_, [self = shared_from_this()] {
      if (!std::exchange(self->waiting_, false)) return;
      char events[4096];
      while (read(self->inotify_, events, sizeof events) > 0) {
      }
      self->ReadMore();
    });
    if (id == 0) return End(Status(Code::kNotImplemented, "this host cannot follow files"));
    std::lock_guard lock(mu_);
    watch_ = id;
    if (cancelled_) env_.UnwatchFd(std::exchange(watch_, 0));
  }

  void Unwatch() {
    std::uint64_t id = 0;
    {
      std::lock_guard lock(mu_);
      id = std::exchange(watch_, 0);
    }
    if (id != 0) env_.UnwatchFd(id);
  }

  void End(Status status) {
    consumer_.strand->Post([self = shared_from_this(), status = std::move(status)]() mutable {
      if (!self->cancelled_) self->consumer_.on_end(std::move(status));
    });
  }

  Env& env_;
  Strand& reader_;
  const LogJob job_;
  LogConsumer consumer_;
  std::atomic<bool> cancelled_ = false;
  // On the reader strand:
  LogParser parser_;
  std::string buffer_;
  int fd_ = -1;
  int inotify_ = -1;
  bool over_;
  bool waiting_ = false;
  std::mutex mu_;  // guards watch_
  std::uint64_t watch_ = 0;
};

}  // namespace

bool LogParser::Feed(std::string_view piece, std::string& out) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      partial_ += piece;
      if (partial_.size() <= kMaxRecord) return true;
      return Line(std::exchange(partial_, {}), out);
    }
    if (partial_.empty()) {
      if (!Line(piece.substr(0, end), out)) return false;
    } else {
      partial_ += piece.substr(0, end);
      if (!Line(std::exchange(partial_, {}), out)) return false;
    }
    piece.remove_prefix(end + 1);
  }
  return true;
}

bool LogParser::Line(std::string_view line, std::string& out) {
  const std::optional<Record> record = ParseRecord(line);
  if (!record) return true;  // not a record: torn by a crash
  if (!within_line_) {
    skipping_ = false;
    if (options_.since) {
      const Result<WallTime> time = ParseTime(record->time);
      skipping_ = time.ok() && *time < *options_.since;
    }
  }
  const bool first = !std::exchange(within_line_, record->partial);
  if (skipping_) return true;
  std::string text;
  if (options_.timestamps && first) {
    text += record->time;
    text += ' ';
  }
  text += record->text;
  if (!record->partial) text += '\n';
  if (options_.limit_bytes) {
    const std::int64_t room = std::max<std::int64_t>(*options_.limit_bytes - written_, 0);
    if (static_cast<std::int64_t>(text.size()) > room) text.resize(static_cast<std::size_t>(room));
  }
  written_ += static_cast<std::int64_t>(text.size());
  out += text;
  return !options_.limit_bytes || written_ < *options_.limit_bytes;
}

Result<std::uint64_t> TailOffset(int fd, std::int64_t lines) {
  struct stat info {};
  if (fstat(fd, &info) != 0) return Status(Code::kInternal, fmt::format("stat: {}", std::strerror(errno)));
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (lines <= 0) return size;
  // From the end, piece by piece. A record is known to continue a line only when the one before it is seen, so the
  // search keeps the start of the line that it has counted last.
  std::string text;
  std::uint64_t at = size;
  std::int64_t found = 0;
  std::uint64_t line_start = size;  // of the earliest complete line found so far
  bool any = false;                 // a record has been seen
  std::vector<char> buffer(kPiece);
  std::string tail;  // what is known of the record that began before the current piece
  while (at > 0) {
    const std::uint64_t step = std::min<std::uint64_t>(buffer.size(), at);
    at -= step;
    const ssize_t n = pread(fd, buffer.data(), step, static_cast<off_t>(at));
    if (n != static_cast<ssize_t>(step)) return Status(Code::kInternal, "the log changed while it was read");
    text.assign(buffer.data(), step);
    text += tail;
    // Records in `text` that begin in it, from the last to the first.
    std::size_t end = text.size();
    while (end > 0) {
      const std::size_t newline = end >= 2 ? text.rfind('\n', end - 2) : std::string::npos;
      if (newline == std::string::npos && at > 0) break;  // begins before this piece
      const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
      const std::optional<Record> record = ParseRecord(std::string_view(text).substr(begin, end - begin));
      const bool starts_new = !record || !record->partial;
      // A full record ends a line: the line counted before begins after it.
      if (starts_new && any) {
        if (++found == lines) return line_start;
      }
      line_start = at + begin;
      any = true;
      end = begin;
    }
    tail = text.substr(0, end);
    if (tail.size() > kMaxRecord) tail.resize(kMaxRecord);
  }
  return 0;
}

std::shared_ptr<LogFollower> FollowLog(Env& env, Strand& reader, LogJob job, LogConsumer consumer) {
  auto follower = std::make_shared<FileFollower>(env, reader, std::move(job), std::move(consumer));
  follower->Start();
  return follower;
}

}  // namespace minikube::agent
