// Several runtimes on one machine, and their networks; ports of the machine.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/runtime/harness.h"

using namespace minikube;
using namespace minikube::test;

namespace {

// 10.214.3 of 10.214.3.2.
std::string RangeOf(const std::string& address) { return address.substr(0, address.rfind('.')); }

// The bridge that goes with the nth range.
std::string BridgeOf(const std::string& range) { return "/sys/class/net/mk" + range.substr(range.rfind('.') + 1); }

OciRuntimeOptions ChoosingOptions(const std::string& root) {
  OciRuntimeOptions options = TestOptions(root);
  options.bridge = "";
  options.pod_cidr = "10.214.0.0/24";
  return options;
}

// What a TCP server there says before it hangs up; "" if there is none.
std::string Hear(const std::string& address, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const timeval patience{2, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  std::string heard;
  char buffer[64];
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    for (ssize_t n = 0; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;)
      heard.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  return heard;
}

// An address of this machine that is not its loopback; "" if it has none.
std::string OutsideAddress() {
  ifaddrs* all = nullptr;
  std::string found;
  if (getifaddrs(&all) != 0) return found;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = {};
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text, sizeof text);
    const std::string address = text;
    if (address.substr(0, 4) != "127." && address.substr(0, 7) != "10.213." && address.substr(0, 7) != "10.214.") {
      found = address;
    }
  }
  freeifaddrs(all);
  return found;
}

std::string AddressOf(const Result<SandboxState>& sandbox) {
  REQUIRE(sandbox.status().ToString() == "OK");
  CAPTURE(sandbox->message);
  REQUIRE(sandbox->ips.size() == 1);
  return sandbox->ips[0];
}

}  // namespace

TEST_CASE("Two runtimes of one machine take a bridge and a range each, and find them again", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  const OciRuntimeOptions options_a = ChoosingOptions(dir.path() + "/a");
  const OciRuntimeOptions options_b = ChoosingOptions(dir.path() + "/b");
  std::string a1;
  std::string b1;
  {
    Host a(options_a);
    Host b(options_b);
    a1 = AddressOf(a.RunSandbox(a.Sandbox("a1")));
    b1 = AddressOf(b.RunSandbox(b.Sandbox("b1")));
    CHECK(RangeOf(a1) != RangeOf(b1));
    CHECK(std::filesystem::exists(BridgeOf(RangeOf(a1))));
    CHECK(std::filesystem::exists(BridgeOf(RangeOf(b1))));
  }
  // The other one first: it must not take what was not its own, though nobody uses that just now.
  Host b(options_b);
  const std::string b2 = AddressOf(b.RunSandbox(b.Sandbox("b2")));
  Host a(options_a);
  const std::string a2 = AddressOf(a.RunSandbox(a.Sandbox("a2")));
  CHECK(RangeOf(a2) == RangeOf(a1));
  CHECK(RangeOf(b2) == RangeOf(b1));
  CHECK(a2 != a1);
  CHECK(b2 != b1);
  for (const char* id : {"a1", "a2"}) CHECK(a.RemoveSandbox(id).status().ToString() == "OK");
  for (const char* id : {"b1", "b2"}) CHECK(b.RemoveSandbox(id).status().ToString() == "OK");
  CHECK_FALSE(std::filesystem::exists(BridgeOf(RangeOf(a1))));
  CHECK_FALSE(std::filesystem::exists(BridgeOf(RangeOf(b1))));
}

TEST_CASE("A bridge that another runtime has is not shared: the pod runs without a network and says so", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  Host first(TestOptions(dir.path() + "/first"));
  AddressOf(first.RunSandbox(first.Sandbox("first")));
  Host second(TestOptions(dir.path() + "/second"));
  const auto sandbox = second.RunSandbox(second.Sandbox("second"));
  REQUIRE(sandbox.status().ToString() == "OK");
  CHECK(sandbox->ips.empty());
  CHECK(sandbox->message == "no pod network, only loopback: bridge " + first.options().bridge +
                                " is used by another runtime on this machine");
  CHECK(second.RemoveSandbox("second").status().ToString() == "OK");
  CHECK(first.RemoveSandbox("first").status().ToString() == "OK");
}

TEST_CASE("A port of the machine leads to its pod, from everywhere, also after a restart", "[root]") {
  if (!CanRunContainers()) return;
  Scratch dir;
  PackBusybox(dir.path() + "/state", dir.path());
  const OciRuntimeOptions options = TestOptions(dir.path() + "/state");
  const int port = 20000 + getpid() % 10000;
  const std::string said = "hello\n";
  const auto hears = [&](const std::string& address) {
    return Eventually([&] { return Hear(address, port) == said; });
  };
  std::string gateway;
  {
    Host host(options);
    SandboxConfig server = host.Sandbox("server");
    server.port_mappings = {{"TCP", port, 8080, ""}};
    gateway = RangeOf(AddressOf(host.RunSandbox(server))) + ".1";
    REQUIRE(host.Shell("server", "speaks", "while true; do echo hello | busybox nc -l -p 8080 >/dev/null; done").ok());
    CHECK(hears("127.0.0.1"));
    if (const std::string outside = OutsideAddress(); !outside.empty()) CHECK(hears(outside));
    // From another pod, and from itself.
    AddressOf(host.RunSandbox(host.Sandbox("other")));
    for (const char* pod : {"other", "server"}) {
      const std::string id = std::string("asks-from-") + pod;
      REQUIRE(host.Shell(pod, id,
                         "while ! busybox nc -w 2 " + gateway + " " + std::to_string(port) +
                             " </dev/null | grep -q hello; do :; done")
                  .ok());
      CHECK(host.WaitExit(id)->exit_code == 0);
    }
  }
  Host host(options);
  REQUIRE(host.List().ok());
  CHECK(hears("127.0.0.1"));
  CHECK(host.RemoveSandbox("other").status().ToString() == "OK");  // the rules are not its own
  CHECK(hears("127.0.0.1"));
  AddressOf(host.RunSandbox(host.Sandbox("third")));
  CHECK(hears("127.0.0.1"));
  CHECK(host.RemoveSandbox("server").status().ToString() == "OK");
  CHECK(Hear("127.0.0.1", port).empty());
  CHECK(host.RemoveSandbox("third").status().ToString() == "OK");
}
