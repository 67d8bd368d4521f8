// Reading container logs: files in the CRI format ("<RFC 3339 time> <stdout|stderr> <F|P> <text>"), one per run.
//
// LogParser is pure. LogFollower streams one file to a consumer: it reads on a blocking strand, in pieces, only as fast
// as the consumer takes them, and follows the file by inotify through Env until it is told that the container is over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <minikube/client.h>
#include <minikube/env.h>

namespace minikube::agent {

// Where a container's log is.
struct LogSource {
  std::string path;
  bool live = false;  // the container is running: more may come
};

struct LogOptions {
  bool timestamps = false;
  std::optional<std::int64_t> limit_bytes;
  std::optional<WallTime> since;
};

// Turns CRI lines into what the user sees. Feed it pieces of a file in order.
class LogParser {
 public:
  explicit LogParser(LogOptions options) : options_(options) {}
  // Appends to `out` what `piece` completes. False: the limit is reached, and nothing more is wanted.
  bool Feed(std::string_view piece, std::string& out);

 private:
  bool Line(std::string_view line, std::string& out);
  LogOptions options_;
  std::string partial_;       // an incomplete line
  bool within_line_ = false;  // the last record was partial: the next continues its line
  bool skipping_ = false;     // ... of a line that is too old
  std::int64_t written_ = 0;
};

// Offset in the file at which its last `lines` lines begin. A line that was logged in parts counts once. Blocks.
Result<std::uint64_t> TailOffset(int fd, std::int64_t lines);

class LogFollower {
 public:
  virtual ~LogFollower() = default;
  // The container is over: what is in the file now is all. Any thread.
  virtual void ContainerOver() = 0;
  virtual void Cancel() = 0;
};

// Where the pieces go.
struct LogConsumer {
  Strand* strand = nullptr;
  Function<void(std::string)> on_data;
  Function<void(Status)> on_end;
};

struct LogJob {
  LogSource source;
  LogOptions options;
  std::optional<std::int64_t> tail_lines;
  bool follow = false;
};

// Begins to stream on `reader`, a blocking strand that outlives the stream. Errors go to on_end. Cancel (on the
// consumer's strand) ends it: nothing is called after that.
std::shared_ptr<LogFollower> FollowLog(Env& env, Strand& reader, LogJob job, LogConsumer sink);

}  // namespace minikube::agent
