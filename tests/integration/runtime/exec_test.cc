// Commands in containers whose streams somebody holds.
#include <signal.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>

#include "integration/runtime/harness.h"

namespace minikube::test {
namespace {

using namespace std::chrono_literals;

// A command and what has come of it. Reads on by itself unless told not to.
class Command {
 public:
  using Open = std::function<Result<std::unique_ptr<ExecStreams>>(Runtime&, ExecEvents)>;
  Command(Host& host, ExecSpec spec, bool read_on = true)
      : Command(
            host, [&](Runtime& runtime, ExecEvents events) { return runtime.Exec("c", spec, std::move(events)); },
            read_on) {}
  Command(Host& host, const Open& open, bool read_on = true) : host_(host), heard_(std::make_shared<Heard>()) {
    ExecEvents events;
    events.on_output = [this, heard = heard_, read_on](OutputStream stream, const std::string& data) {
      heard->Note([&] { (stream == OutputStream::kOut ? heard->out : heard->err) += data; });
      if (read_on) streams_->ReadOn();
    };
    events.on_taken = [heard = heard_](std::size_t bytes) { heard->Note([&] { heard->taken += bytes; }); };
    events.on_end = [heard = heard_](const Result<int>& exit_code) { heard->Note([&] { heard->end = exit_code; }); };
    OnStrand([this, &open, events = std::move(events)]() mutable {
      auto started = open(host_.runtime(), std::move(events));
      refused = started.status();
      if (started) streams_ = std::move(started).value();
    });
  }
  ~Command() { Drop(); }

  void Write(std::string data) {
    OnStrand([&] { streams_->Write(data); });
  }
  void CloseInput() {
    OnStrand([&] { streams_->CloseInput(); });
  }
  void Resize(TerminalSize size) {
    OnStrand([&] { streams_->Resize(size); });
  }
  void ReadOn() {
    OnStrand([&] { streams_->ReadOn(); });
  }
  void Drop() {
    OnStrand([&] { streams_.reset(); });
  }

  struct Heard {
    std::mutex mu;
    std::condition_variable changed;
    std::string out;
    std::string err;
    std::size_t taken = 0;
    std::optional<Result<int>> end;
    template <typename F>
    void Note(F what) {
      std::lock_guard lock(mu);
      what();
      changed.notify_all();
    }
  };
  bool Until(const std::function<bool(const Heard&)>& condition) {
    std::unique_lock lock(heard_->mu);
    return heard_->changed.wait_for(lock, 60s, [&] { return condition(*heard_); });
  }
  // What it ended with; -1 if it did not.
  int ExitCode() {
    if (!Until([](const Heard& heard) { return heard.end.has_value(); })) return -1;
    return heard_->end->ok() ? **heard_->end : -2;
  }
  bool Ended() {
    std::lock_guard lock(heard_->mu);
    return heard_->end.has_value();
  }
  // Once it has ended.
  const Heard& heard() const { return *heard_; }

  Status refused;

 private:
  void OnStrand(Task task) {
    std::promise<void> done;
    host_.strand().Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  Host& host_;
  const std::shared_ptr<Heard> heard_;
  std::unique_ptr<ExecStreams> streams_;
};

ExecSpec Shell(const std::string& script) {
  ExecSpec spec;
  spec.command = {"sh", "-c", script};
  spec.in = spec.out = spec.err = true;
  return spec;
}

TEST_CASE("The streams of a command in a container", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  ContainerConfig config = host.Container("pod", "c");
  config.command = {"sleep", "1000"};
  REQUIRE(host.Start(config).ok());
  const auto running = [&](const std::string& what) {
    return host.Await<ProcessResult>([&](Runtime& r, Runtime::Done<ProcessResult> done) {
                 r.ExecSync("c", {"sh", "-c", "ps -o args | grep -c '^" + what + "'"}, 60s, std::move(done));
               })
               ->out != "0\n";
  };

  SECTION("input, outputs and the exit code") {
    Command command(host, Shell("cat; echo no >&2; exit 3"));
    command.Write("one ");
    CHECK(command.Until([](const auto& heard) { return heard.out == "one " && heard.taken == 4; }));
    command.Write("two");
    command.CloseInput();
    CHECK(command.ExitCode() == 3);
    CHECK(command.heard().out == "one two");
    CHECK(command.heard().err == "no\n");
  }
  SECTION("who ends the host's processes does not end the command's monitor") {
    Command command(host, Shell("while read x; do echo $x; done"));
    command.Write("a\n");
    REQUIRE(command.Until([](const auto& heard) { return heard.out == "a\n"; }));
    int monitors = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      const std::string line(std::istreambuf_iterator<char>(file), {});
      const bool monitor = line.find(dir.path()) != std::string::npos &&
                           line.find(std::string("container-monitor\0exec\0", 23)) != std::string::npos;
      if (!monitor) continue;
      ++monitors;
      const pid_t pid = std::stoi(entry.path().filename());
      CHECK(getpgid(pid) != getpgid(0));
      CHECK(kill(pid, SIGTERM) == 0);
    }
    CHECK(monitors == 1);
    command.Write("b\n");
    command.CloseInput();
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out == "a\nb\n");
  }
  SECTION("no input") {
    ExecSpec spec = Shell("cat; echo end");
    spec.in = false;
    Command command(host, std::move(spec));
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out == "end\n");
  }
  SECTION("a program that is not there") {
    ExecSpec spec = Shell("");
    spec.command = {"nope"};
    Command command(host, std::move(spec));
    CHECK(command.ExitCode() == -2);
    CHECK(command.heard().end->status().code() == Code::kBadRequest);
  }
  SECTION("output waits until it is asked for") {
    Command command(host, Shell("seq 1 100000; echo all >&2"), false);
    REQUIRE(command.Until([](const auto& heard) { return !heard.out.empty(); }));
    // The command cannot be through: more than the pipe holds is still to come.
    CHECK_FALSE(command.Ended());
    while (!command.Ended()) command.ReadOn();
    CHECK(command.heard().out.size() == 588'895);
    CHECK(command.heard().err == "all\n");
  }
  SECTION("a process that takes no input, and then goes") {
    Command command(host, Shell("exec 0<&-; sleep 0.2"));
    command.Write(std::string(1 << 20, 'x'));
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().taken < 1 << 20);
  }
  SECTION("a terminal") {
    ExecSpec spec = Shell("read line; stty size; echo $TERM; tty >/dev/null && echo terminal");
    spec.tty = true;
    Command command(host, std::move(spec));
    command.Resize({.width = 123, .height = 45});
    command.Write("go\n");
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out == "go\r\n45 123\r\nxterm\r\nterminal\r\n");
  }
  SECTION("without its holder the process is killed") {
    ExecSpec spec = Shell("");
    spec.command = {"sleep", "4321"};
    spec.tty = GENERATE(false, true);
    Command command(host, std::move(spec));
    REQUIRE(Eventually([&] { return running("sleep 4321"); }));
    command.Drop();
    CHECK(Eventually([&] { return !running("sleep 4321"); }));
    CHECK_FALSE(command.Ended());
  }
  SECTION("it ends with its container") {
    Command command(host, Shell("echo up; sleep 1000"));
    REQUIRE(command.Until([](const auto& heard) { return heard.out == "up\n"; }));
    CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
    // The process writes before the OCI runtime is through with starting it, which then may find no container.
    const int code = command.ExitCode();
    const std::string why = code == -2 ? command.heard().end->status().message() : "";
    CHECK((code == 137 || why == "the container has ended"));
    Command late(host, Shell("true"));
    CHECK(late.refused.code() == Code::kNotFound);
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

// Attached to the process of container `c`.
ExecSpec Attached(bool tty = false) {
  ExecSpec spec;
  spec.in = spec.out = true;
  spec.err = !tty;
  spec.tty = tty;
  return spec;
}

TEST_CASE("Attached to a container's own process", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  ContainerConfig config = host.Container("pod", "c");
  config.open_stdin = true;
  const auto start = [&](const std::string& script) {
    config.command = {"sh", "-c", script};
    REQUIRE(host.Start(config).ok());
  };

  SECTION("input, outputs, the log too, and the end, whatever the exit code") {
    start("while read line; do echo got $line; echo also $line >&2; [ $line = end ] && exit 3; done");
    Command one(host, Attached());
    one.Write("a\n");
    CHECK(one.Until([](const auto& heard) { return heard.out == "got a\n" && heard.err == "also a\n"; }));
    Command two(host, Attached());
    two.Write("b\n");
    CHECK(two.Until([](const auto& heard) { return heard.out == "got b\n"; }));
    CHECK(one.Until([](const auto& heard) { return heard.out == "got a\ngot b\n"; }));
    one.Write("end\n");
    CHECK(one.ExitCode() == 0);
    CHECK(two.ExitCode() == 0);
    CHECK(two.heard().out == "got b\ngot end\n");
    CHECK(host.WaitExit("c")->exit_code == 3);
    const std::string log = host.Output("c");
    for (const char* line : {"stdout: got a\n", "stderr: also a\n", "stdout: got b\n", "stdout: got end\n"}) {
      CHECK(log.find(line) != std::string::npos);
    }
    Command late(host, Attached());
    CHECK(late.refused.code() == Code::kNotFound);
  }
  SECTION("without stdin once the container's input outlives who attaches") {
    start("while read line; do echo got $line; done; echo over");
    {
      Command one(host, Attached());
      one.Write("a\n");
      one.CloseInput();
      CHECK(one.ExitCode() == 0);
    }
    Command two(host, Attached());
    two.Write("b\n");
    CHECK(two.Until([](const auto& heard) { return heard.out == "got b\n"; }));
    two.Drop();
    CHECK(host.Kill("c", 9).ok());
    CHECK(host.WaitExit("c"));
    CHECK(host.Output("c") == "stdout: got a\nstdout: got b\n");
  }
  SECTION("with stdin once it ends with the first one's") {
    config.stdin_once = true;
    start("while read line; do echo got $line; done; echo over");
    Command one(host, Attached());
    one.Write("a\n");
    SECTION("closed") {
      one.CloseInput();
      CHECK(one.ExitCode() == 0);
      CHECK(one.heard().out == "got a\nover\n");
    }
    SECTION("gone") {
      CHECK(one.Until([](const auto& heard) { return heard.out == "got a\n"; }));
      one.Drop();
    }
    REQUIRE(host.WaitExit("c"));
    CHECK(host.Output("c") == "stdout: got a\nstdout: over\n");
  }
  SECTION("a terminal, and its size") {
    config.tty = true;
    start("read line; stty size; read line; echo got $line; exit 5");
    Command command(host, Attached(true));
    command.Resize({.width = 123, .height = 45});
    // The size comes to the terminal on another way than the input.
    CHECK(Eventually([&] {
      Command size(host, Shell("stty size </proc/1/fd/0"));
      return size.ExitCode() == 0 && size.heard().out == "45 123\n";
    }));
    command.Write("go\n");
    CHECK(command.Until([](const auto& heard) { return heard.out.find("45 123\r\n") != std::string::npos; }));
    command.Write("on\n");
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out.find("got on\r\n") != std::string::npos);
    CHECK(host.WaitExit("c")->exit_code == 5);
  }
  SECTION("who does not read slows the container down; once gone, not any more") {
    start("read line; seq 1 100000; echo done >&2; sleep 1000");
    Command stalled(host, Attached(), false);
    stalled.Write("go\n");
    REQUIRE(stalled.Until([](const auto& heard) { return !heard.out.empty(); }));
    Command quick(host, Attached());
    // More than the pipes hold is still to come.
    CHECK(host.Output("c").find("stderr: done") == std::string::npos);
    SECTION("gone") {
      stalled.Drop();
      CHECK(Eventually([&] { return host.Output("c").find("stderr: done") != std::string::npos; }));
      CHECK(host.Output("c").find("stdout: 100000\n") != std::string::npos);
    }
    SECTION("reads after all") {
      CHECK(Eventually([&] {
        stalled.ReadOn();
        return stalled.Until([](const auto&) { return true; }) && stalled.heard().out.size() == 588'895;
      }));
      CHECK(stalled.heard().err == "done\n");
    }
    SECTION("and does not hold up the container's end") {
      CHECK(host.Kill("c", 9).ok());
      CHECK(host.WaitExit("c"));
    }
  }
  SECTION("what a container says last is heard by whoever keeps up") {
    start("read line; seq 1 10000; exit 1");
    Command command(host, Attached());
    command.Write("go\n");
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out.size() == 48'894);
  }
  SECTION("a container without input takes none") {
    config.open_stdin = false;
    start("cat; echo end; sleep 1000");
    ExecSpec spec = Attached();
    Command command(host, spec);
    command.Write("x");
    CHECK(Eventually([&] { return host.Output("c") == "stdout: end\n"; }));
  }
  SECTION("there is room for so many") {
    start("sleep 1000");
    std::vector<std::unique_ptr<Command>> held;
    for (int i = 0; i < 16; ++i) held.push_back(std::make_unique<Command>(host, Attached()));
    Command more(host, Attached());
    // Turned away before it could say what it wants, or after.
    CHECK((more.refused.code() == Code::kUnavailable || more.ExitCode() == -2));
    for (auto& each : held) CHECK_FALSE(each->Ended());
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

TEST_CASE("Connections to ports of a pod", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  Host host(TestOptions(dir.path() + "/state"));
  REQUIRE(host.RunSandbox(host.Sandbox("pod")).ok());
  const auto connect = [&](std::uint16_t port) {
    return Command::Open(
        [port](Runtime& runtime, ExecEvents events) { return runtime.Connect("pod", port, std::move(events)); });
  };
  // Each connection is one of `cat`, which ends when its input does.
  REQUIRE(host.Shell("pod", "c", "nc -ll -p 7000 -e cat").ok());
  const auto listens = [&] {
    Command probe(host, connect(7000));
    probe.CloseInput();
    return probe.ExitCode() == 0;
  };
  REQUIRE(Eventually(listens));

  SECTION("both ways, to the end") {
    Command command(host, connect(7000));
    command.Write("through");
    CHECK(command.Until([](const auto& heard) { return heard.out == "through" && heard.taken == 7; }));
    const std::string much(3 << 20, 'x');
    command.Write(much);
    command.CloseInput();
    CHECK(command.ExitCode() == 0);
    CHECK(command.heard().out.size() == 7 + much.size());
  }
  SECTION("many at a time") {
    std::vector<std::unique_ptr<Command>> held;
    for (int i = 0; i < 50; ++i) {  // one after another, as busybox' nc has hardly a queue of those who wait
      held.push_back(std::make_unique<Command>(host, connect(7000)));
      held.back()->Write("number " + std::to_string(i));
      const std::string wanted = "number " + std::to_string(i);
      REQUIRE(held.back()->Until([&](const auto& heard) { return heard.out == wanted; }));
    }
    for (auto& each : held) each->CloseInput();
    for (auto& each : held) CHECK(each->ExitCode() == 0);
  }
  SECTION("output waits until it is asked for") {
    Command command(host, connect(7000), false);
    command.Write(std::string(16 << 20, 'x'));
    REQUIRE(command.Until([](const auto& heard) { return !heard.out.empty(); }));
    CHECK(command.heard().taken < 16 << 20);
    CHECK_FALSE(command.Ended());
  }
  SECTION("nobody listens") {
    Command command(host, connect(7001));
    CHECK(command.ExitCode() == -2);
    CHECK(command.heard().end->status().message().find(
              "failed to connect to localhost:7001 inside sandbox pod, IPv4: dial tcp4 127.0.0.1:7001: connect: "
              "Connection refused") == 0);
  }
  SECTION("no such pod") {
    Command command(
        host, [](Runtime& runtime, ExecEvents events) { return runtime.Connect("other", 7000, std::move(events)); });
    CHECK(command.refused.code() == Code::kNotFound);
  }
  CHECK(host.RemoveSandbox("pod").status().ToString() == "OK");
}

}  // namespace
}  // namespace minikube::test
