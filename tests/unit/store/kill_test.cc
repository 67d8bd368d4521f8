// Nothing acknowledged is lost when the process is killed at any moment.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <chrono>
#include <map>
#include <random>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include <minikube/store.h>

#include "helpers/temp_dir.h"
#include "helpers/wait.h"

namespace minikube::test {
namespace {

// What the writer acknowledged until it was killed, after it acknowledged at least `lines` and `extra` passed.
std::string WriteAndKill(Env& env, const std::string& dir, std::chrono::microseconds extra, int lines) {
  int pipe_fds[2];
  REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(pipe_fds[1], STDOUT_FILENO);
    execl(STORE_WRITER, STORE_WRITER, dir.c_str(), "4", nullptr);
    _exit(127);
  }
  close(pipe_fds[1]);
  std::string out;
  char buffer[65536];
  int seen = 0;
  MonoTime kill_at = MonoTime::max();
  bool killed = false;
  for (;;) {
    const ssize_t n = read(pipe_fds[0], buffer, sizeof buffer);
    if (n <= 0) break;
    out.append(buffer, static_cast<std::size_t>(n));
    for (ssize_t i = 0; i < n; ++i) seen += buffer[i] == '\n';
    const MonoTime now = env.clock().MonoNow();
    if (seen >= lines && kill_at == MonoTime::max()) kill_at = now + extra;
    if (!killed && now >= kill_at) {
      kill(child, SIGKILL);
      killed = true;  // what is still in the pipe was acknowledged as well
    }
  }
  close(pipe_fds[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  INFO("the writer ended by itself, exit code " << WEXITSTATUS(status));
  REQUIRE(WIFSIGNALED(status));
  return out;
}

TEST_CASE("Nothing acknowledged is lost by kill -9", "[crash]") {
  const char* wanted = getenv("MINIKUBE_KILLS");
  const int kills = wanted != nullptr ? atoi(wanted) : 8;
  const std::unique_ptr<Env> env = NewRealEnv(2);
  std::mt19937 random(Catch::rngSeed());
  TempDir dir;
  StoreOptions options;
  options.path = dir.path() + "/store";
  for (int round = 0; round < kills; ++round) {
    CAPTURE(round, Catch::rngSeed());
    const std::string out =
        WriteAndKill(*env, options.path, std::chrono::microseconds(random() % 50000), static_cast<int>(random() % 300));
    const std::unique_ptr<Store> store = OpenStore(options, *env).value();
    const StoreStatus status = store->status();
    std::istringstream lines(out);
    Revision revision = 0;
    std::string key, value, line;
    int checked = 0, lost = 0, torn = 0;
    std::map<std::string, std::pair<Revision, std::string>> newest;
    while (std::getline(lines, line) && !lines.eof()) {
      std::istringstream fields(line);
      fields >> revision >> key >> value;
      ++checked;
      lost += revision > status.revision;
      auto& last = newest[key];
      if (revision > last.first) last = {revision, value};
      if (revision < status.compact_revision) continue;
      const auto found = store->Get(key, revision).value();
      lost += !found || found->value != value || found->mod_revision != revision;
      // The transaction's other half.
      const auto half = store->Get("last" + key.substr(1, key.find('/') - 1), revision).value();
      torn += !half || half->value != value;
    }
    for (const auto& [name, last] : newest) {
      const auto found = store->Get(name).value();
      lost += !found || found->mod_revision < last.first;
    }
    CHECK(lost == 0);
    CHECK(torn == 0);
    CHECK(checked > 0);
  }
}

}  // namespace
}  // namespace minikube::test
