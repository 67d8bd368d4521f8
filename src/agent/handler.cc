#include "agent/handler.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace minikube::agent {
namespace {

constexpr std::size_t kMaxOutput = 1024;

class Handler final : public RunningHandler {
 public:
  Handler(AgentContext& context, Function<void(Status)> done)
      : context_(context), self_(std::make_shared<Handler*>(this)), done_(std::move(done)) {}
  ~Handler() override {
    if (timer_ != 0) context_.strand.Cancel(timer_);
  }

  void Begin(const HandlerSpec& spec, const core::Container& container, const std::string& container_id,
             const std::string& pod_ip, Duration timeout) {
    if (spec.exec != nullptr) return Exec(*spec.exec, container_id, timeout);
    if (spec.http_get != nullptr) return Http(*spec.http_get, container, pod_ip, timeout);
    if (spec.tcp_socket != nullptr) return Tcp(*spec.tcp_socket, container, pod_ip, timeout);
    if (spec.grpc != nullptr) return Grpc(*spec.grpc, pod_ip, timeout);
    if (spec.sleep != nullptr) return Sleep(std::chrono::seconds(spec.sleep->seconds));
    AnswerLater(Status(Code::kNotImplemented, "this kind of handler is not supported by this node"));
  }

 private:
  void Exec(const core::ExecAction& exec, const std::string& container_id, Duration timeout) {
    // A runtime that pretends has nothing to run the command in; what it pretends is well.
    if (context_.simulated()) return AnswerLater({});
    std::vector<std::string> argv;
    for (const Str& word : exec.command) argv.push_back(word.str());
    // Posted: a runtime may answer at once.
    timer_ = context_.strand.After(Duration::zero(), [this, argv = std::move(argv), container_id, timeout]() mutable {
      timer_ = 0;
      late_ =
          fmt::format("command timed out: \"{}\" timed out after {}", fmt::join(argv, " "), FormatDuration(timeout));
      context_.runtime.ExecSync(container_id, std::move(argv), timeout,
                                [weak = std::weak_ptr(self_)](Result<ProcessResult> result) {
                                  if (const auto self = weak.lock()) (*self)->Executed(std::move(result));
                                });
    });
  }

  void Executed(Result<ProcessResult> result) {
    if (result.status().code() == Code::kTimeout) return Answer(Status(Code::kUnavailable, std::move(late_)));
    if (!result) return Answer(result.status());
    if (result->exit_code == 0) return Answer({});
    std::string output = result->out + result->err;
    if (output.size() > kMaxOutput) output.resize(kMaxOutput);
    Answer(Status(Code::kUnavailable, std::move(output)));
  }

  void Http(const core::HTTPGetAction& get, const core::Container& container, const std::string& pod_ip,
            Duration timeout) {
    Result<int> port = PortOf(container, get.port);
    if (!port) return AnswerLater(port.status());
    HttpTarget target;
    target.host = get.host.empty() ? pod_ip : get.host.str();
    target.port = *port;
    if (!get.path.empty()) target.path = get.path.str();
    target.tls = get.scheme == "HTTPS";
    for (const core::HTTPHeader& header : get.httpHeaders) target.headers.emplace_back(header.name, header.value);
    check_ = context_.net.Http(std::move(target), timeout, [this](Status status) { Answer(std::move(status)); });
  }

  void Tcp(const core::TCPSocketAction& tcp, const core::Container& container, const std::string& pod_ip,
           Duration timeout) {
    Result<int> port = PortOf(container, tcp.port);
    if (!port) return AnswerLater(port.status());
    check_ = context_.net.Tcp(tcp.host.empty() ? pod_ip : tcp.host.str(), *port, timeout,
                              [this](Status status) { Answer(std::move(status)); });
  }

  void Grpc(const core::GRPCAction& grpc, const std::string& pod_ip, Duration timeout) {
    check_ = context_.net.Grpc(pod_ip, grpc.port, grpc.service ? grpc.service->str() : "", timeout,
                               [this](Status status) { Answer(std::move(status)); });
  }

  void Sleep(Duration duration) {
    timer_ = context_.strand.After(duration, [this] {
      timer_ = 0;
      Answer({});
    });
  }

  void AnswerLater(Status status) {
    timer_ = context_.strand.After(Duration::zero(), [this, status = std::move(status)]() mutable {
      timer_ = 0;
      Answer(std::move(status));
    });
  }

  // The last thing this does: `done` may destroy it.
  void Answer(Status status) {
    const Function<void(Status)> done = std::move(done_);
    if (done) done(std::move(status));
  }

  AgentContext& context_;
  std::shared_ptr<Handler*> self_;  // gone when this is
  Function<void(Status)> done_;
  std::unique_ptr<NetCheck> check_;
  std::string late_;  // what to say of a command that takes too long
  TimerId timer_ = 0;
};

}  // namespace

std::unique_ptr<RunningHandler> RunHandler(AgentContext& context, const HandlerSpec& spec,
                                           const core::Container& container, const std::string& container_id,
                                           const std::string& pod_ip, Duration timeout, Function<void(Status)> done) {
  auto handler = std::make_unique<Handler>(context, std::move(done));
  handler->Begin(spec, container, container_id, pod_ip, timeout);
  return handler;
}

Result<int> PortOf(const core::Container& container, const IntOrString& port) {
  int number = port.int_value;
  if (port.is_string) {
    number = 0;
    const std::string_view name = port.string_value;
    for (const core::ContainerPort& known : container.ports) {
      if (known.name == name) number = known.containerPort;
    }
    if (number == 0) std::from_chars(name.data(), name.data() + name.size(), number);
    if (number == 0) return Status(Code::kBadRequest, fmt::format("couldn't find port: {}", name));
  }
  if (number < 1 || number > 65535) return Status(Code::kBadRequest, fmt::format("invalid port number: {}", number));
  return number;
}

}  // namespace minikube::agent
