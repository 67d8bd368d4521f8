#include "integration/network/machine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>
#include <catch2/catch.hpp>

namespace minikube::test {
namespace {

constexpr int kPorts[] = {8080, 9090};

sockaddr_in Address(const std::string& address, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

std::string Text(const sockaddr_in& address) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
  return text;
}

int Listen(int type, int port) {
  const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in any = Address("0.0.0.0", port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) _exit(3);
  if (type == SOCK_STREAM && listen(fd, 64) != 0) _exit(4);
  return fd;
}

[[noreturn]] void Serve(const std::string& name, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  if (unshare(CLONE_NEWNET) != 0) _exit(2);
  std::vector<pollfd> sockets;
  for (const int port : kPorts) {
    sockets.push_back({Listen(SOCK_STREAM, port), POLLIN, 0});
    sockets.push_back({Listen(SOCK_DGRAM, port), POLLIN, 0});
  }
  if (write(ready, "x", 1) != 1) _exit(5);
  for (;;) {
    if (poll(sockets.data(), sockets.size(), -1) < 0) continue;
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      if (sockets[i].revents == 0) continue;
      sockaddr_in from{};
      socklen_t size = sizeof from;
      char buffer[64];
      if (i % 2 == 1) {
        if (recvfrom(sockets[i].fd, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) < 0) continue;
        const std::string answer = name + " " + Text(from);
        (void)sendto(sockets[i].fd, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
        continue;
      }
      const int fd = accept(sockets[i].fd, reinterpret_cast<sockaddr*>(&from), &size);
      const std::string answer = name + " " + Text(from);
      (void)!write(fd, answer.data(), answer.size());
      close(fd);
    }
  }
}

int OpenNamespace(pid_t pid) { return open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC); }

int SocketIn(const Host* host, int type) {
  if (host == nullptr) return socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there = OpenNamespace(host->pid());
  int fd = -1;
  if (setns(there, CLONE_NEWNET) == 0) fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (setns(home, CLONE_NEWNET) != 0) std::abort();
  close(there);
  close(home);
  return fd;
}

std::string Name(int error) {
  if (error == ECONNREFUSED) return "refused";
  if (error == EAGAIN || error == EINPROGRESS || error == ETIMEDOUT) return "silent";
  return "unreachable";
}

}  // namespace

bool CanMakeNamespaces() {
  std::string missing;
  if (geteuid() != 0) missing = "not root";
  if (std::system("command -v nft >/dev/null && command -v ip >/dev/null && command -v nsenter >/dev/null") != 0)
    missing = "nft, ip or nsenter is not installed";
  if (missing.empty() && std::system("unshare -n true 2>/dev/null") != 0) missing = "no network namespaces";
  if (missing.empty()) return true;
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") FAIL("cannot run here: " << missing);
  WARN("skipped: " << missing);
  return false;
}

void Shell(const std::string& command) {
  CAPTURE(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

std::string Output(const std::string& command) {
  std::string out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (const std::size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  pclose(pipe);
  return out;
}

// /sys shows the interfaces of the network namespace in which it was mounted: so there is one for this one, which
// nobody else sees.
OwnNamespace::OwnNamespace() : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  static const bool own_mounts =
      unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  REQUIRE(own_mounts);
  REQUIRE(unshare(CLONE_NEWNET) == 0);
  REQUIRE(mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0);
  test::Shell("ip link set lo up");
}

OwnNamespace::~OwnNamespace() {
  umount2("/sys", MNT_DETACH);
  if (setns(home_, CLONE_NEWNET) != 0) std::abort();
  close(home_);
}

Host::Host(std::string name) {
  int ready[2];
  REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) Serve(name, ready[1]);
  close(ready[1]);
  char byte = 0;
  const ssize_t got = read(ready[0], &byte, 1);
  close(ready[0]);
  REQUIRE(got == 1);
  Shell("ip link set lo up");
}

Host::~Host() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Host::Shell(const std::string& command) const { test::Shell(fmt::format("nsenter -t {} -n {}", pid_, command)); }

std::string Ask(const Host* from, const Question& question) {
  const int fd = SocketIn(from, question.udp ? SOCK_DGRAM : SOCK_STREAM);
  const timeval patience{question.patience_ms / 1000, question.patience_ms % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (question.from_port != 0) {
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in own = Address("0.0.0.0", question.from_port);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  }
  const sockaddr_in to = Address(question.address, question.port);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) answer = Name(errno);
  if (answer.empty() && question.udp && send(fd, "?", 1, 0) != 1) answer = Name(errno);
  if (answer.empty()) {
    char buffer[256];
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    answer = n < 0 ? Name(errno) : std::string(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
  return answer;
}

Machine::Machine(const std::vector<std::string>& pods)
    : names_(pods), outside_("outside"), network_(*oci::ParseSubnet("10.214.0.0/24"), "mktest", "test") {
  for (const std::string& name : pods) pods_.push_back(std::make_unique<Host>(name));
  REQUIRE(network_.Up().ok());
  for (std::size_t i = 0; i < pods.size(); ++i) {
    const auto address = oci::ParseIpv4(AddressOf(static_cast<int>(i)));
    REQUIRE(network_.Attach(pods[i], pods_[i]->pid(), *address).ok());
  }
  test::Shell(fmt::format("nft -f - <<'END'\n{}END", network_.Rules()));
  REQUIRE(network_.RulesLoaded().ok());
  test::Shell(fmt::format("ip link add outer type veth peer name eth0 netns {}", outside_.pid()));
  test::Shell("ip addr add 192.0.2.1/24 dev outer && ip link set outer up && ip route add default via 192.0.2.2");
  outside_.Shell("ip addr add 192.0.2.2/24 dev eth0");
  outside_.Shell("ip link set eth0 up");
  outside_.Shell("ip route add default via 192.0.2.1");
}

// What is in the namespace goes with it.
Machine::~Machine() = default;

void Machine::DisableBridgeFilter() {
  (void)!std::system(
      "echo 0 2>/dev/null >/proc/sys/net/bridge/bridge-nf-call-iptables;"
      "echo 0 2>/dev/null >/sys/class/net/mktest/bridge/nf_call_iptables");
}

const Host& Machine::pod(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return *pods_[i];
  }
  FAIL("no pod " << name);
  std::abort();
}

}  // namespace minikube::test
