// What a question's bytes deserve, and answers from others: asked once, kept as long as they may be.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include <catch2/catch.hpp>

#include <minikube/env.h>
#include <minikube/latch.h>

#include "network/dns/server.h"

namespace minikube::network::dns {
namespace {

using namespace std::string_literals;

// One Service, default/web, and an alias, default/out.
class OneService final : public ClusterNames {
 public:
  bool HasNamespace(std::string_view ns) const override { return ns == "default"; }
  ObjectRef FindService(std::string_view ns, std::string_view name) const override {
    if (ns != "default" || (name != "web" && name != "out" && name != "round")) return {};
    core::v1::Service service;
    service.metadata.namespace_ = "default";
    service.metadata.name = name;
    service.spec.clusterIP = "10.96.0.9";
    if (name != "web") service.spec.type = "ExternalName";
    if (name == "out") service.spec.externalName = "www.example.org";
    if (name == "round") service.spec.externalName = "round.default.svc.cluster.local";
    return Share(service);
  }
  std::vector<ObjectRef> SlicesOf(std::string_view, std::string_view) const override { return {}; }
  std::vector<ObjectRef> ServicesAt(std::string_view) const override { return {}; }
  std::vector<ObjectRef> SlicesAt(std::string_view) const override { return {}; }
};

// A server of the test's own at 127.0.0.1, answering with what `answer` makes of a question.
class FakeServer {
 public:
  explicit FakeServer(std::function<Message(const Question&, Transport)> answer)
      : answer_(std::move(answer)), listeners_(ListenAt("127.0.0.1").value()) {
    thread_ = std::thread([this] { Serve(); });
  }
  ~FakeServer() {
    stop_ = true;
    thread_.join();
    CloseSocket(listeners_.datagram);
    CloseSocket(listeners_.stream);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(listeners_.port); }
  int asked() const { return asked_; }

 private:
  std::string AnswerTo(std::string_view bytes, Transport transport) {
    const auto question = ReadMessage(bytes);
    Message answer = answer_(question->questions.front(), transport);
    answer.id = question->id;
    answer.response = true;
    answer.questions = question->questions;
    ++asked_;
    return WriteMessage(answer, 65535);
  }
  void Serve() {
    while (!stop_) {
      pollfd sockets[2] = {{listeners_.datagram, POLLIN, 0}, {listeners_.stream, POLLIN, 0}};
      poll(sockets, 2, 20);
      char buffer[2048];
      sockaddr_in from{};
      socklen_t size = sizeof from;
      ssize_t n = recvfrom(listeners_.datagram, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n > 0) {
        const std::string answer = AnswerTo({buffer, static_cast<std::size_t>(n)}, Transport::kDatagram);
        (void)sendto(listeners_.datagram, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
      const int fd = accept(listeners_.stream, nullptr, nullptr);
      if (fd < 0) continue;
      n = recv(fd, buffer, sizeof buffer, 0);
      if (n > 2) {
        std::string answer = AnswerTo({buffer + 2, static_cast<std::size_t>(n) - 2}, Transport::kStream);
        answer = std::string{static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size())} + answer;
        (void)send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
      }
      close(fd);
    }
  }

  const std::function<Message(const Question&, Transport)> answer_;
  Listeners listeners_;
  std::atomic<bool> stop_{false};
  std::atomic<int> asked_{0};
  std::thread thread_;
};

Message Address(std::string name, std::uint32_t ttl) {
  Message out;
  out.answers = {{std::move(name), kA, kInternet, ttl, "\x01\x02\x03\x04"s}};
  return out;
}

std::string Ask(std::string_view name, std::uint16_t type = kA, const std::function<void(Message&)>& change = {}) {
  Message message;
  message.id = 77;
  message.recursion_desired = true;
  message.questions = {{std::string(name), type}};
  if (change) change(message);
  return WriteMessage(message, 65535);
}

// A Responder on a strand, with servers of the test behind it.
class Asker {
 public:
  explicit Asker(std::vector<std::string> servers, const std::function<void(UpstreamOptions&)>& change = {}) {
    UpstreamOptions options;
    options.servers = [servers] { return servers; };
    options.try_timeout = std::chrono::seconds(1);
    if (change) change(options);
    strand_ = env_->NewStrand("test");
    upstream_ = std::make_unique<Upstream>(options, *env_, *strand_);
    responder_ = std::make_unique<Responder>(zone_, *upstream_, *env_);
  }
  ~Asker() { strand_->Stop(); }

  std::string Bytes(std::string question, Transport transport = Transport::kDatagram, bool ready = true) {
    return Begin(std::move(question), transport, ready).get();
  }
  Message operator()(std::string question, Transport transport = Transport::kDatagram, bool ready = true) {
    return ReadMessage(Bytes(std::move(question), transport, ready)).value();
  }
  // Serves at 127.0.0.1 too; the port.
  int Listen() {
    const Listeners listeners = ListenAt("127.0.0.1").value();
    server_ = std::make_unique<DnsServer>(
        DnsServerOptions{}, listeners, *responder_, [] { return true; }, *env_, *strand_);
    Latch started;
    strand_->Post([&] {
      server_->Start();
      started.Open();
    });
    CHECK(started.Block(std::chrono::seconds(10)));
    return listeners.port;
  }
  std::future<std::string> Begin(std::string question, Transport transport = Transport::kDatagram, bool ready = true) {
    auto answer = std::make_shared<std::promise<std::string>>();
    strand_->Post([this, question = std::move(question), transport, ready, answer] {
      responder_->Respond(question, transport, ready,
                          [answer](std::string bytes) { answer->set_value(std::move(bytes)); });
    });
    return answer->get_future();
  }

 private:
  const OneService names_;
  const Zone zone_{"cluster.local", "10.96.0.10", names_};
  std::unique_ptr<Env> env_ = NewRealEnv(2);
  std::unique_ptr<Upstream> upstream_;
  std::unique_ptr<Responder> responder_;
  std::unique_ptr<DnsServer> server_;
  std::unique_ptr<Strand> strand_;
};

constexpr const char* kWeb = "web.default.svc.cluster.local";

}  // namespace

TEST_CASE("The cluster's names are answered with authority; what is no question is not") {
  Asker ask({});
  const Message web = ask(Ask(kWeb));
  CHECK(web.id == 77);
  CHECK(web.response);
  CHECK(web.authoritative);
  CHECK(web.recursion_desired);
  CHECK(web.recursion_available);
  REQUIRE(web.answers.size() == 1);
  CHECK_FALSE(web.edns);
  CHECK(ask(Ask("gone.default.svc.cluster.local")).rcode == Rcode::kNameError);
  CHECK(ask(Ask(kWeb), Transport::kDatagram, false).rcode == Rcode::kServerFailure);
  CHECK(ask(Ask(kWeb, kA, [](Message& m) { m.opcode = 5; })).rcode == Rcode::kNotImplemented);
  CHECK(ask(Ask(kWeb, kA, [](Message& m) { m.questions.clear(); })).rcode == Rcode::kFormatError);
  CHECK(ask(Ask(kWeb, kA, [](Message& m) { m.questions.front().klass = 3; })).rcode == Rcode::kRefused);
  CHECK(ask(Ask(kWeb, kA, [](Message& m) { m.edns = Edns{4096, 1}; })).rcode == Rcode::kBadVersion);
  CHECK(ask(Ask(kWeb, kA, [](Message& m) { m.edns = Edns{4096, 0}; })).edns);
  CHECK(ask(Ask("example.org", kA, [](Message& m) { m.recursion_desired = false; })).rcode == Rcode::kRefused);
  CHECK(ask(Ask("example.org")).rcode == Rcode::kServerFailure);  // nobody to ask
  CHECK(ask(Ask(kWeb).substr(0, 20)).rcode == Rcode::kFormatError);
  CHECK(ask.Bytes(Ask(kWeb, kA, [](Message& m) { m.response = true; })).empty());
  CHECK(ask.Bytes("short").empty());
  // An alias of itself ends.
  CHECK(ask(Ask("round.default.svc.cluster.local")).answers.size() > 1);
}

TEST_CASE("Others' names: asked once, kept, and followed from aliases") {
  FakeServer server([](const Question& question, Transport) { return Address(question.name, 20); });
  Asker ask({server.address()});
  const Message first = ask(Ask("www.example.org"));
  REQUIRE(first.answers.size() == 1);
  CHECK_FALSE(first.authoritative);
  CHECK(ask(Ask("WWW.example.org")).answers == first.answers);
  CHECK(server.asked() == 1);
  const Message alias = ask(Ask("out.default.svc.cluster.local"));
  REQUIRE(alias.answers.size() == 2);
  CHECK(alias.answers[0].type == kCname);
  CHECK(alias.answers[1].name == "www.example.org");
  CHECK(server.asked() == 1);
}

TEST_CASE("That a name is not there is kept as its zone says; a failure is not") {
  FakeServer server([](const Question& question, Transport) {
    Message out;
    if (question.name == "broken.example") {
      out.rcode = Rcode::kServerFailure;
      return out;
    }
    out.rcode = Rcode::kNameError;
    if (question.name == "no.example") out.authority = {{"example", kSoa, kInternet, 60, SoaData("a", "b", 1, 20)}};
    return out;
  });
  Asker ask({server.address()});
  for (int i = 0; i < 2; ++i) CHECK(ask(Ask("no.example")).rcode == Rcode::kNameError);
  CHECK(server.asked() == 1);
  for (int i = 0; i < 2; ++i) CHECK(ask(Ask("nor.example")).rcode == Rcode::kNameError);
  CHECK(server.asked() == 3);
  for (int i = 0; i < 2; ++i) CHECK(ask(Ask("broken.example")).rcode == Rcode::kServerFailure);
  CHECK(server.asked() == 5);
}

TEST_CASE("A server that is silent or away is passed over; a long answer comes by a connection") {
  const Listeners silent = ListenAt("127.0.0.1").value();
  FakeServer server([](const Question& question, Transport transport) {
    Message out = Address(question.name, 20);
    if (transport == Transport::kDatagram) {
      out.answers.clear();
      out.truncated = true;
    } else {
      for (int i = 0; i < 100; ++i) out.answers.push_back(out.answers.front());
    }
    return out;
  });
  Asker ask({"127.0.0.1:1", "127.0.0.1:" + std::to_string(silent.port), server.address()});
  const Message cut = ask(Ask("long.example"));
  CHECK(cut.truncated);
  CHECK(cut.answers.size() < 101);
  CHECK(ask(Ask("long.example"), Transport::kStream).answers.size() == 101);
  Listeners closing = silent;
  CloseSocket(closing.datagram);
  CloseSocket(closing.stream);
}

TEST_CASE("Who asks over a connection and closes its side gets all answers, then the end") {
  Asker ask({});
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(ask.Listen()));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const std::string question = Ask(kWeb);
  std::string bytes;
  for (int i = 0; i < 2; ++i) bytes += std::string{'\0', static_cast<char>(question.size())} + question;
  REQUIRE(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  shutdown(fd, SHUT_WR);
  const timeval limit{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string answers;
  char buffer[2048];
  ssize_t n = 0;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) answers.append(buffer, static_cast<std::size_t>(n));
  CHECK(n == 0);
  close(fd);
  int count = 0;
  std::string_view rest = answers;
  while (const auto first = FirstMessage(rest)) {
    CHECK(ReadMessage(*first)->answers.size() == 1);
    rest.remove_prefix(first->size() + 2);
    ++count;
  }
  CHECK(count == 2);
}

TEST_CASE("Questions under way are bounded, and the same one is sent once") {
  std::promise<void> go;
  std::shared_future<void> may_answer = go.get_future().share();
  FakeServer server([may_answer](const Question& question, Transport) {
    may_answer.wait();
    return Address(question.name, 20);
  });
  Asker ask({server.address()}, [](UpstreamOptions& options) {
    options.max_in_flight = 1;
    options.try_timeout = std::chrono::seconds(30);
  });
  auto one = ask.Begin(Ask("one.example"));
  auto same = ask.Begin(Ask("one.example"));
  CHECK(ask(Ask("two.example")).rcode == Rcode::kServerFailure);
  go.set_value();
  CHECK(ReadMessage(one.get())->answers.size() == 1);
  CHECK(ReadMessage(same.get())->answers.size() == 1);
  CHECK(server.asked() == 1);
}

}  // namespace minikube::network::dns
