// A machine of the test's own: a network namespace with a pod network in it, pods that answer, and somebody outside.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "oci/pod_network.h"

namespace minikube::test {

// Whether this can run here; says why not (and fails where CI=true).
bool CanMakeNamespaces();

// Runs a shell command in the current network namespace; it must succeed.
void Shell(const std::string& command);
// The output of one.
std::string Output(const std::string& command);

// Looks until `holds`, at most for 20 seconds.
template <typename Holds>
bool Eventually(const Holds& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

// The calling thread is in a network namespace of its own until this goes.
class OwnNamespace {
 public:
  OwnNamespace();
  ~OwnNamespace();
  OwnNamespace(const OwnNamespace&) = delete;
  OwnNamespace& operator=(const OwnNamespace&) = delete;

 private:
  int home_ = -1;
};

// A process in a network namespace of its own that answers on TCP and UDP port 8080 and 9090 with its name and the
// address from which it was asked ("a 10.214.0.3"). To be made before there are threads.
class Host {
 public:
  explicit Host(std::string name);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  pid_t pid() const { return pid_; }
  // A command in its namespace.
  void Shell(const std::string& command) const;

 private:
  pid_t pid_ = -1;
};

struct Question {
  std::string address;
  int port = 0;
  bool udp = false;
  int from_port = 0;  // 0 = any
  int patience_ms = 300;
};
// Asks from the namespace of `from` (null: the machine itself): the answer, "refused", "silent", or "unreachable".
std::string Ask(const Host* from, const Question& question);

// A machine with pods on a bridge, each 10.214.0.(2 + its number), and with a host outside at 192.0.2.2 (the machine is
// 192.0.2.1 to it).
class Machine {
 public:
  explicit Machine(const std::vector<std::string>& pods);
  ~Machine();

  // Frames between its pods pass no rules from now on, as on a kernel without bridge-nf.
  static void DisableBridgeFilter();

  const Host& pod(std::string_view name) const;
  static std::string AddressOf(int number) { return "10.214.0." + std::to_string(number + 2); }
  const Host& outside() const { return outside_; }
  PodNetworkState network() const { return network_.state(); }

 private:
  OwnNamespace own_;
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<Host>> pods_;
  Host outside_;
  oci::PodNetwork network_;
};

}  // namespace minikube::test
