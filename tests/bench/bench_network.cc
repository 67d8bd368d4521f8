// How long the network's rules take to be in force, and how many questions DNS answers. Prints `name value unit` lines.
// Needs root and nft: the rules are those of a network namespace of its own.
//
//   bench_network [SERVICES [ENDPOINTS]]
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <minikube/latch.h>

#include "helpers/fake_api.h"
#include "network/dns/cluster_dns.h"
#include "network/proxy/service_proxy.h"

namespace minikube::network {
namespace {

using core::v1::Service;
using discovery::v1::EndpointSlice;
using test::FakeApi;

constexpr int kChanges = 51;
constexpr int kQuestions = 200'000;
constexpr int kInFlight = 64;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "bench_network: %s\n", what);
  std::exit(1);
}

std::string NameOf(int service) { return fmt::format("service-{}", service); }

Service MakeService(int number) {
  Service service;
  service.metadata.namespace_ = "default";
  service.metadata.name = Str(NameOf(number));
  service.spec.clusterIP = Str(fmt::format("10.96.{}.{}", number / 250 + 1, number % 250 + 1));
  service.spec.ports.push_back({.name = "http", .protocol = "TCP", .port = 80});
  return service;
}

EndpointSlice MakeSlice(int number, int endpoints) {
  EndpointSlice slice;
  slice.metadata.namespace_ = "default";
  slice.metadata.name = Str(NameOf(number));
  slice.metadata.labels["kubernetes.io/service-name"] = Str(NameOf(number));
  slice.addressType = "IPv4";
  slice.ports.push_back({.name = Str("http"), .protocol = Str("TCP"), .port = 8080});
  for (int i = 0; i < endpoints; ++i) {
    const int at = number * endpoints + i;
    discovery::v1::Endpoint& endpoint = slice.endpoints.push_back({});
    endpoint.addresses = {Str(fmt::format("10.{}.{}.{}", 128 + at / 62500, at / 250 % 250, at % 250 + 1))};
    endpoint.conditions.ready = true;
  }
  return slice;
}

class Bench {
 public:
  Bench(int services, int endpoints) : services_(services), endpoints_(endpoints) {
    On([this] {
      core::v1::Namespace space;
      space.metadata.name = "default";
      api_.Create(space);
      for (int i = 0; i < services_; ++i) {
        api_.Create(MakeService(i));
        api_.Create(MakeSlice(i, endpoints_));
      }
    });
  }
  ~Bench() { strand_->Stop(); }

  void Rules() {
    std::unique_ptr<ServiceProxy> proxy;
    ServiceProxyOptions options;
    options.table = "minikube_bench_services";
    options.node_name = "here";
    options.service_range = "10.96.0.0/12";
    MonoTime begin = Now();
    On([&] {
      proxy = std::make_unique<ServiceProxy>(options, *client_, *env_, *strand_, Logger());
      proxy->Start();
    });
    const auto settle = [&] {
      bool idle = false;
      while (!idle) On([&] { idle = proxy->idle(); });
    };
    settle();
    fmt::print("services_load_{}_with_{}_endpoints {:.2f} s\n", services_, endpoints_, Seconds(begin));
    std::vector<double> changes;
    for (int i = 0; i < kChanges; ++i) {
      begin = Now();
      On([&] {
        api_.Change<EndpointSlice>(MakeSlice(i % services_, endpoints_), "", [&](EndpointSlice& next) {
          next.endpoints = MakeSlice(i % services_, endpoints_ - 1).endpoints;
        });
      });
      settle();
      changes.push_back(Seconds(begin) * 1000);
    }
    std::sort(changes.begin(), changes.end());
    fmt::print("services_change_median {:.1f} ms\n", changes[kChanges / 2]);
    On([&] { proxy.reset(); });
  }

  // Questions in flight over loopback, from this thread.
  void Dns() {
    dns::Listeners listeners = dns::ListenAt("127.0.0.1").value();
    const int port = listeners.port;
    std::unique_ptr<dns::ClusterDns> server;
    On([&] {
      server = std::make_unique<dns::ClusterDns>(dns::ClusterDnsOptions{"cluster.local", "10.96.0.10"}, listeners,
                                                 *client_, *env_, *strand_);
      server->Start();
    });
    int fd = dns::ConnectTo(fmt::format("127.0.0.1:{}", port), dns::Transport::kDatagram);
    const auto ask = [&](int number) {
      dns::Message message;
      message.id = static_cast<std::uint16_t>(number);
      message.recursion_desired = true;
      message.questions = {{fmt::format("{}.default.svc.cluster.local", NameOf(number % services_)), dns::kA}};
      if (!dns::SendDatagram(fd, dns::WriteMessage(message, 512))) Fail("a question cannot be sent");
    };
    std::vector<MonoTime> asked(kQuestions);
    std::vector<double> took;
    const MonoTime begin = Now();
    int next = 0;
    for (; next < kInFlight; ++next) asked[static_cast<std::size_t>(next)] = Now(), ask(next);
    while (took.size() < kQuestions) {
      pollfd ready{fd, POLLIN, 0};
      if (poll(&ready, 1, 5000) != 1) Fail("a question is not answered");
      while (const auto answer = dns::ReceiveDatagram(fd)) {
        const auto message = dns::ReadMessage(*answer);
        if (!message || message->answers.size() != 1) Fail("a question is answered with something else");
        // Numbers go round; the oldest question of that number that is out is meant.
        std::size_t which = (took.size() & ~std::size_t{0xffff}) | message->id;
        if (which > static_cast<std::size_t>(next)) which -= 0x10000;
        took.push_back(Seconds(asked[std::min<std::size_t>(which, kQuestions - 1)]) * 1000);
        if (next < kQuestions) asked[static_cast<std::size_t>(next)] = Now(), ask(next), ++next;
      }
    }
    fmt::print("dns_questions_{}_in_flight {:.0f} /s\n", kInFlight, kQuestions / Seconds(begin));
    std::sort(took.begin(), took.end());
    fmt::print("dns_answer_p99 {:.2f} ms\n", took[took.size() * 99 / 100]);
    dns::CloseSocket(fd);
    On([&] { server.reset(); });
  }

 private:
  MonoTime Now() const { return env_->clock().MonoNow(); }
  double Seconds(MonoTime since) const { return std::chrono::duration<double>(Now() - since).count(); }
  void On(const std::function<void()>& task) {
    Latch done;
    strand_->Post([&] {
      task();
      done.Open();
    });
    if (!done.Block(std::chrono::minutes(5))) Fail("it takes too long");
  }

  const int services_;
  const int endpoints_;
  const std::unique_ptr<Env> env_ = NewRealEnv(2);
  FakeApi api_{*env_};
  const std::unique_ptr<Client> client_ = api_.NewClient();
  const std::unique_ptr<Strand> strand_ = env_->NewStrand("bench");
};

int Main(int argc, char** argv) {
#ifndef NDEBUG
  std::fprintf(stderr, "bench_network: a debug build measures nothing\n");
  return 2;
#endif
  if (unshare(CLONE_NEWNET) != 0 || std::system("ip link set lo up") != 0) Fail("no network namespace: not root?");
  Bench bench(argc > 1 ? std::atoi(argv[1]) : 10'000, argc > 2 ? std::atoi(argv[2]) : 10);
  bench.Rules();
  bench.Dns();
  return 0;
}

}  // namespace
}  // namespace minikube::network

int main(int argc, char** argv) { return minikube::network::Main(argc, argv); }
