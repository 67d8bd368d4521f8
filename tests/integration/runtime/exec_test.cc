// Commands in containers whose streams somebody holds.
#include <condition_variable>

#include "integration/runtime/harness.h"

namespace minikube::test {
namespace {

using namespace std::chrono_literals;

// A command and what has come of it. Reads on by itself unless told not to.
class Command {
 public:
  Command(Host& host, ExecSpec spec, bool read_on = true) : host_(host), heard_(std::make_shared<Heard>()) {
    ExecEvents events;
    events.on_output = [this, heard = heard_, read_on](OutputStream stream, const std::string& data) {
      heard->Note([&] { (stream == OutputStream::kOut ? heard->out : heard->err) += data; });
      if (read_on) streams_->ReadOn();
    };
    events.on_taken = [heard = heard_](std::size_t bytes) { heard->Note([&] { heard->taken += bytes; }); };
    events.on_end = [heard = heard_](const Result<int>& exit_code) { heard->Note([&] { heard->end = exit_code; }); };
    OnStrand([this, spec = std::move(spec), events = std::move(events)]() mutable {
      auto started = host_.runtime().Exec("c", std::move(spec), std::move(events));
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

}  // namespace
}  // namespace minikube::test
