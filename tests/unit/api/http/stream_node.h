// A node that takes every command and every connection, the HTTPS server and the frontend as they are in front of it,
// and what a WebSocket's client sends.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "api/front/frontend.h"
#include "unit/api/http/fake_api_core.h"
#include "unit/api/http/test_env.h"
#include "unit/api/http/tls_client.h"

namespace minikube::api::testing {

// Takes every command and every connection, and remembers what it is told; what the other end does, the test says.
class StreamNode final : public NodeApi, public std::enable_shared_from_this<StreamNode> {
 public:
  std::unique_ptr<LogHandle> StreamLog(LogRequest, Strand&, Function<void(std::string)>,
                                       Function<void(Status)>) override {
    return nullptr;
  }
  std::unique_ptr<ExecStreams> Exec(ExecRequest request, Strand& strand, Function<void(Status)> accepted,
                                    ExecEvents events) override {
    std::lock_guard lock(mu);
    asked = std::move(request);
    return Begin(0, strand, std::move(accepted), std::move(events));
  }
  std::unique_ptr<ExecStreams> Connect(PodPortRequest request, Strand& strand, Function<void(Status)> accepted,
                                       ExecEvents events) override {
    std::lock_guard lock(mu);
    return Begin(request.port, strand, std::move(accepted), std::move(events));
  }

  // What was asked for, in that order. The members that name none are about the first.
  struct Asked {
    int port = 0;  // 0 = a command
    Strand* holder = nullptr;
    std::shared_ptr<ExecEvents> told;
    std::shared_ptr<const int> held;  // as long as it is
    // Guarded by mu:
    std::string input;
    bool input_closed = false;
    int read_on = 0;
    bool gone = false;
  };
  Asked& at(std::size_t i) { return *all.at(i); }

  void Output(OutputStream stream, std::string data, std::size_t i = 0) {
    Tell(i, [stream, data](const ExecEvents& told) { told.on_output(stream, data); });
  }
  void Taken(std::size_t bytes, std::size_t i = 0) {
    Tell(i, [bytes](const ExecEvents& told) { told.on_taken(bytes); });
  }
  void End(Result<int> exit_code, std::size_t i = 0) {
    Tell(i, [exit_code](const ExecEvents& told) { told.on_end(exit_code); });
  }
  bool Until(const std::function<bool()>& condition) {
    std::unique_lock lock(mu);
    return changed.wait_for(lock, std::chrono::seconds(10), condition);
  }

  Status answer;
  ExecRequest asked;
  std::mutex mu;
  std::condition_variable changed;
  // Guarded by mu:
  std::vector<std::unique_ptr<Asked>> all;
  std::vector<std::pair<int, int>> sizes;
  int open = 0;

  // Of the first.
  std::string& input() { return at(0).input; }
  bool input_closed() { return at(0).input_closed; }

 private:
  std::unique_ptr<ExecStreams> Begin(int port, Strand& strand, Function<void(Status)> accepted, ExecEvents events) {
    all.push_back(std::make_unique<Asked>());
    Asked& one = *all.back();
    one.port = port;
    one.holder = &strand;
    one.told = std::make_shared<ExecEvents>(std::move(events));
    one.held = std::make_shared<const int>(0);
    ++open;
    changed.notify_all();
    strand.Post([accepted = std::move(accepted), answer = answer] { accepted(answer); });
    return std::make_unique<Streams>(shared_from_this(), one);
  }
  template <typename F>
  void Tell(std::size_t i, F what) {
    std::lock_guard lock(mu);
    if (at(i).gone) return;
    at(i).holder->Post([told = at(i).told, held = std::weak_ptr(at(i).held), what] {
      if (!held.expired()) what(*told);
    });
  }

  class Streams final : public ExecStreams {
   public:
    Streams(std::shared_ptr<StreamNode> node, Asked& one) : node_(std::move(node)), one_(one) {}
    ~Streams() override {
      Note([this] {
        --node_->open;
        one_.gone = true;
        one_.held.reset();
      });
    }
    void Write(std::string data) override {
      Note([&] { one_.input += data; });
    }
    void CloseInput() override {
      Note([&] { one_.input_closed = true; });
    }
    void Resize(TerminalSize size) override {
      Note([&] { node_->sizes.emplace_back(size.width, size.height); });
    }
    void ReadOn() override {
      Note([&] { ++one_.read_on; });
    }

   private:
    template <typename F>
    void Note(F what) {
      std::lock_guard lock(node_->mu);
      what();
      node_->changed.notify_all();
    }
    const std::shared_ptr<StreamNode> node_;
    Asked& one_;
  };
};

inline constexpr const char* kExec =
    "/api/v1/namespaces/d/pods/p/exec?command=sh&command=-c&stdin=true&stdout=true&stderr=true";

struct StreamFixture {
  explicit StreamFixture(HttpLimits limits = {}) {
    engine.pod_ports = [this]() -> Result<PodPortTarget> {
      return PodPortTarget{node, {.ns = "d", .pod = "p", .pod_uid = "u", .port = 0}};
    };
    engine.pod_exec = [this](ExecRequest request) -> Result<PodExecTarget> { return PodExecTarget{node, request}; };
    HttpServerOptions options;
    options.threads = 1;
    options.limits = limits;
    options.serving = pki.serving;
    options.client_ca_pem = pki.ca.cert_pem;
    server = HttpServer::Listen(std::move(options), frontend, env.clock(), Logger()).value();
    server->Serve();
  }
  TlsClient Connect() { return TlsClient(server->port(), pki.ca.cert_pem, &pki.admin); }
  static std::string Upgrade(const std::string& target, const std::string& protocols) {
    return "GET " + target +
           " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " +
           protocols + "\r\n\r\n";
  }
  // Has the upgrade granted.
  static void Open(TlsClient& client, const std::string& protocols = "v5.channel.k8s.io",
                   const std::string& target = kExec) {
    client.Send(Upgrade(target, protocols));
    const std::string head = client.ReadUntil("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 101 "));
    // The answer that RFC 6455 section 1.3 gives for this key.
    CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
    CHECK(head.find("Sec-WebSocket-Protocol: " + protocols.substr(0, protocols.find(',')) + "\r\n") !=
          std::string::npos);
  }

  TestEnv env;
  Pki pki = LoadOrCreatePki({"", {"localhost", "127.0.0.1"}}, env).value();
  FakeApiCore engine;
  std::unique_ptr<Store> store = NewMemoryStore(env);
  std::shared_ptr<StreamNode> node = std::make_shared<StreamNode>();
  Frontend frontend{engine, *store, BuiltInAuthenticator::FromTokenText("tok,alice,1,\"devs\"").value(), env, Logger()};
  std::unique_ptr<HttpServer> server;
};

// A frame of a client: masked, with a mask that changes nothing.
inline std::string Frame(const std::string& payload, int opcode = 2, bool last = true) {
  std::string out(1, static_cast<char>((last ? 0x80 : 0) | opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(0x80 | 126);
    for (int shift = 8; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  } else {
    out += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  }
  return out + std::string(4, '\0') + payload;
}

// A short frame of the server.
inline std::string Served(const std::string& payload) {
  return std::string("\x82") + static_cast<char>(payload.size()) + payload;
}

inline const std::string kClosedNormally("\x88\x02\x03\xe8", 4);

}  // namespace minikube::api::testing
