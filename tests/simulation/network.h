// Network: what lies between the API server and everybody else. Requests and answers take time and overtake one
// another; they get lost; watches lag, stall and break. Every answer and every event is compared with the truth on its
// way.
//
// An error means that the request was performed or never will be: nothing is performed after its sender was told that
// it failed, but for what a component had sent when it died.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <minikube/client.h>
#include <minikube/simulated_env.h>

#include "simulation/history.h"
#include "simulation/readers.h"

namespace minikube::simulation {

// One life of a component, as the network knows it. Outlives its clients.
struct Endpoint {
  std::string name;
  SimulatedProcess* process = nullptr;
  bool cut_off = false;  // nothing reaches the API server, nothing comes back
  int in_flight = 0;     // requests that may still be performed
  // Called before each request leaves; true: the component dies just before it.
  std::function<bool()> dies_before;
};

// The API server's end. Goes with the life of the server.
class ServerEnd {
 public:
  virtual ~ServerEnd() = default;
  virtual Client& ClientOf(const std::string& user) = 0;
  virtual SimulatedProcess& process() = 0;
  virtual Strand& strand() = 0;  // of its process, for answers
};

struct NetworkFaults {
  Duration latency_min = std::chrono::microseconds(100);
  Duration latency_max = std::chrono::milliseconds(2);
  double slow = 0;  // probability that something takes up to slow_max
  Duration slow_max = std::chrono::seconds(1);
  double loses_request = 0;  // an error, no effect
  double loses_answer = 0;   // the effect, and an error
  double breaks_watch = 0;   // at each delivery
  double expires_watch = 0;  // likewise, told 410
  double hangs_watch = 0;    // a watch whose server died learns it late
};

// How planted bugs change what passes. Each may be empty.
struct Tampering {
  using Answer = Function<void(Result<ApiResponse>)>;
  std::function<void(const std::string& user, ApiRequest&)> request;
  // Takes over: answers the request itself.
  std::function<std::optional<Result<ApiResponse>>(const std::string& user, const ApiRequest&)> instead;
  // Further requests that are sent along.
  std::function<std::vector<ApiRequest>(const std::string& user, const ApiRequest&)> also;
  std::function<void(const std::string& user, ApiRequest const&, ApiResponse&)> answer;
  std::function<void(const std::string& user, const ApiRequest&, std::vector<WatchEvent>&)> events;
  std::function<Duration()> latency;
  bool keeps_connections = false;
};

class Network {
 public:
  Network(SimulatedEnv& env, History& history, Readers& readers, std::uint64_t seed);
  ~Network();

  // Null while no server runs: what it had in work fails, and so do its watches. The old end still exists.
  void SetServer(ServerEnd* server);
  std::unique_ptr<Client> NewClient(Endpoint& endpoint, std::string user);

  NetworkFaults faults;
  Tampering tampering;

  // All its connections break.
  void Disconnect(const Endpoint& endpoint);
  // Pauses one watch at the server's end for a while, so that its queue there fills. False if there is none.
  bool StallWatch(std::uint64_t pick, Duration time);
  std::size_t watches() const { return watches_.size(); }
  // Called with every request as it arrives at the server.
  std::function<void(const std::string& user, const ApiRequest&)> on_arrival;
  // Called when a list or a watch has shown this strand a resource up to that revision.
  std::function<void(const std::string& strand, const ResourceDesc&, Revision)> on_seen;

 private:
  class EndpointClient;
  class Watch;
  struct Call;
  friend class EndpointClient;
  friend class Watch;

  void Send(const std::shared_ptr<Call>& call);
  void Arrive(const std::shared_ptr<Call>& call);
  void Perform(const std::shared_ptr<Call>& call, ApiRequest request);
  void Fail(const std::shared_ptr<Call>& call, std::string_view why);
  void Deliver(const std::shared_ptr<Call>& call, Result<ApiResponse> result, std::string_view note);
  void Settle(Call& call);
  bool Chance(double probability);
  Duration Latency();

  SimulatedEnv& env_;
  History& history_;
  Readers& readers_;
  std::mt19937_64 random_;
  ServerEnd* server_ = nullptr;
  std::uint64_t life_ = 0;  // of the server
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Call>> at_server_;
  std::map<std::uint64_t, std::shared_ptr<Watch>> watches_;
  std::unique_ptr<Strand> wire_;  // last: its tasks end first
};

// "create pods/binding default/web-1", for histories.
std::string Describe(const ApiRequest& request);

}  // namespace minikube::simulation
