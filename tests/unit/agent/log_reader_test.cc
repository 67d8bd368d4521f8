#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "agent/log_reader.h"
#include "helpers/temp_dir.h"
#include "helpers/wait.h"

namespace minikube::agent {
namespace {

using namespace std::chrono_literals;
using test::Promised;

const std::string kLog =
    "2026-01-01T00:00:01.5Z stdout F one\n"
    "2026-01-01T00:00:02.5Z stderr P two-\n"
    "2026-01-01T00:00:02.6Z stderr F half\n"
    "2026-01-01T00:00:03.5Z stdout F \n"
    "2026-01-01T00:00:04.5Z stdout F four\n";

std::string Parse(const LogOptions& options, std::size_t piece = 1000) {
  LogParser parser(options);
  std::string out;
  for (std::size_t at = 0; at < kLog.size(); at += piece) {
    if (!parser.Feed(std::string_view(kLog).substr(at, piece), out)) break;
  }
  return out;
}

TEST_CASE("log lines lose their prefixes, and parts become lines", "[agent]") {
  const std::size_t piece = GENERATE(1u, 7u, 40u, 1000u);
  REQUIRE(Parse({}, piece) == "one\ntwo-half\n\nfour\n");
}

TEST_CASE("timestamps, since and limit", "[agent]") {
  LogOptions stamped;
  stamped.timestamps = true;
  REQUIRE(Parse(stamped) ==
          "2026-01-01T00:00:01.5Z one\n2026-01-01T00:00:02.5Z two-half\n2026-01-01T00:00:03.5Z \n"
          "2026-01-01T00:00:04.5Z four\n");
  LogOptions late;
  late.since = ParseTime("2026-01-01T00:00:02.55Z").value();
  REQUIRE(Parse(late) == "\nfour\n");  // a line is as old as its first part
  LogOptions short_one;
  short_one.limit_bytes = 6;
  REQUIRE(Parse(short_one, 1) == "one\ntw");
}

TEST_CASE("a log that is not one does no harm", "[agent]") {
  std::mt19937_64 random(GENERATE(range(1u, 20u)));
  LogParser parser({});
  std::string out;
  for (int i = 0; i < 200; ++i) {
    std::string junk(random() % 300, '\0');
    for (char& c : junk) c = " PF\n2:stdout"[random() % 12];
    parser.Feed(junk, out);
  }
  SUCCEED();
}

struct LogFile {
  LogFile() : path(dir.path() + "/0.log") {}
  void Append(const std::string& text) { std::ofstream(path, std::ios::app) << text; }
  test::TempDir dir;
  std::string path;
};

TEST_CASE("the last lines, however they are spread over the file", "[agent]") {
  LogFile log;
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> starts;  // of lines
  std::string text;
  for (int i = 0; i < 3000; ++i) {
    starts.push_back(text.size());
    for (std::uint64_t part = random() % 3; part > 0; --part) {
      text += "2026-01-01T00:00:00Z stdout P " + std::string(random() % 100, 'x') + "\n";
    }
    text += "2026-01-01T00:00:00Z stdout F " + std::string(random() % 100, 'y') + "\n";
  }
  log.Append(text);
  const int fd = open(log.path.c_str(), O_RDONLY | O_CLOEXEC);
  for (const std::int64_t lines : {1, 2, 10, 500, 2999, 3000}) {
    CAPTURE(lines);
    REQUIRE(TailOffset(fd, lines).value() == starts[starts.size() - static_cast<std::size_t>(lines)]);
  }
  REQUIRE(TailOffset(fd, 5000).value() == 0);
  REQUIRE(TailOffset(fd, 0).value() == text.size());
  close(fd);
}

struct Reader {
  Reader() : env(NewRealEnv(2)), reader(env->NewBlockingStrand("reader")), strand(env->NewStrand("consumer")) {}
  ~Reader() {
    reader->Stop();
    strand->Stop();
  }
  std::shared_ptr<LogFollower> Follow(LogJob job) {
    LogConsumer consumer;
    consumer.strand = strand.get();
    consumer.on_data = [this](std::string data) {
      std::lock_guard lock(mu);
      text += data;
      changed.notify_all();
    };
    consumer.on_end = [this](Status status) { end.Set(status); };
    return FollowLog(*env, *reader, std::move(job), std::move(consumer));
  }
  bool Until(const std::string& wanted) {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, test::kDeadline, [&] { return text == wanted; });
  }
  std::mutex mu;
  std::condition_variable changed;
  std::string text;
  Promised<Status> end;
  std::unique_ptr<Env> env;
  std::unique_ptr<Strand> reader;
  std::unique_ptr<Strand> strand;
};

TEST_CASE("a log is followed until its container is over", "[agent]") {
  LogFile log;
  log.Append("2026-01-01T00:00:01Z stdout F one\n");
  Reader reader;
  LogJob job;
  job.source = {log.path, true};
  job.follow = true;
  const auto follower = reader.Follow(job);
  REQUIRE(reader.Until("one\n"));
  log.Append("2026-01-01T00:00:01Z stdout F two\n2026-01-01T00:0");
  REQUIRE(reader.Until("one\ntwo\n"));
  log.Append("0:01Z stdout F three\n");
  REQUIRE(reader.Until("one\ntwo\nthree\n"));
  log.Append("2026-01-01T00:00:01Z stdout F last words\n");
  follower->ContainerOver();
  REQUIRE(reader.end.Take()->ok());
  REQUIRE(reader.text == "one\ntwo\nthree\nlast words\n");
}

TEST_CASE("a log that is not followed ends where it ends", "[agent]") {
  LogFile log;
  std::string expected;
  for (int i = 0; i < 20000; ++i) {  // several pieces
    log.Append("2026-01-01T00:00:01Z stdout F line " + std::to_string(i) + "\n");
    if (i >= 19000) expected += "line " + std::to_string(i) + "\n";
  }
  Reader reader;
  LogJob job;
  job.source = {log.path, true};
  job.tail_lines = 1000;
  const auto follower = reader.Follow(job);
  REQUIRE(reader.end.Take()->ok());
  REQUIRE(reader.text == expected);
}

TEST_CASE("a log that is not there is an error, and a cancelled stream says nothing", "[agent]") {
  Reader reader;
  LogJob job;
  job.source = {"/nonexistent/0.log", false};
  const auto follower = reader.Follow(job);
  REQUIRE(reader.end.Take()->code() == Code::kNotFound);

  LogFile log;
  job.source = {log.path, true};
  job.follow = true;
  log.Append("2026-01-01T00:00:01Z stdout F one\n");
  const auto cancelled = reader.Follow(job);
  REQUIRE(reader.Until("one\n"));
  Promised<int> done;
  reader.strand->Post([&] {
    cancelled->Cancel();
    done.Set(1);
  });
  REQUIRE(done.Take());
  log.Append("2026-01-01T00:00:01Z stdout F two\n");
  cancelled->ContainerOver();
  Promised<int> drained;
  reader.reader->Post([&] { reader.strand->Post([&] { drained.Set(1); }); });
  REQUIRE(drained.Take());
  REQUIRE(reader.text == "one\n");
  REQUIRE_FALSE(reader.end.Take(0s));
}

}  // namespace
}  // namespace minikube::agent
