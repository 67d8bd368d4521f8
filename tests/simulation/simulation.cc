#include "simulation/simulation.h"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

#include "api/kinds/kinds.h"
#include "simulation/cluster.h"
#include "simulation/convergence.h"
#include "simulation/faults.h"
#include "simulation/network.h"
#include "simulation/planted.h"
#include "simulation/promises.h"
#include "simulation/readers.h"
#include "simulation/rules.h"
#include "simulation/truth.h"
#include "simulation/workload.h"

namespace minikube::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// A simulation that takes more steps turns on the spot.
constexpr std::uint64_t kMostSteps = 20'000'000;
// Longer than any back-off that a fault can have led to.
constexpr Duration kConvergesWithin = minutes(40);

// Log lines of the components, for reading; no part of the history.
class PrintedLog final : public LogSink {
 public:
  PrintedLog(const Clock& clock, std::FILE* out) : clock_(clock), start_(clock.Now()), out_(out) {}
  LogLevel level() const override { return out_ != nullptr ? LogLevel::kInfo : LogLevel::kOff; }
  void Write(LogLevel, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override {
    const double time = std::chrono::duration<double>(clock_.Now() - start_).count();
    std::string line = fmt::format("{:>12.6f}  {:<24} log: {}", time, component, message);
    for (const LogField& field : fields) line += fmt::format(" {}={}", field.key, field.value);
    fmt::print(out_, "{}\n", line);
  }

 private:
  const Clock& clock_;
  const WallTime start_;
  std::FILE* const out_;
};

// The registry is made of tables: one serves all simulations of a process.
const api::Catalogue& SharedRegistry() {
  static const std::shared_ptr<const api::Catalogue> registry = api::Catalogue::BuiltIn(api::AllStrategies());
  return *registry;
}

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options),
        random_(options.seed),
        env_(options.seed),
        history_(env_.clock(), options.out),
        verdict_(history_),
        log_(env_.clock(), options.logs ? options.out : nullptr),
        truth_(SharedRegistry(), verdict_),
        readers_(truth_, verdict_),
        bindings_(truth_, verdict_),
        rollouts_(truth_, verdict_),
        owners_(truth_, verdict_, env_.clock()) {}

  SimulationResult Run() {
    SimulationResult result;
    env_.OnStep([this](std::string_view strand) {
      ++steps_;
      history_.Mix(strand);
    });
    Build();
    Live();
    if (verdict_.ok()) StopAll();
    result.faults = faults_->injected();
    result.api_lives = cluster_->api().lives();
    for (const Component* component : cluster_->components()) result.lives += component->lives();
    result.actions = workload_->actions();
    TearDown();
    result.violations = verdict_.violations();
    result.hash = history_.hash();
    result.lines = history_.lines();
    result.steps = steps_;
    result.revisions = truth_.revision();
    result.time = env_.clock().MonoNow() - start_;
    return result;
  }

 private:
  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }

  void Build() {
    start_ = env_.clock().MonoNow();
    disk_ =
        options_.rocksdb.empty() ? NewMemoryDisk(random_(), options_.bug) : NewRocksDisk(random_(), options_.rocksdb);
    network_ = std::make_unique<Network>(env_, history_, readers_, random_());
    ClusterOptions cluster;
    if (Draw(3) == 0) cluster.max_watch_queue = 4 + Draw(60);
    const std::size_t nodes = 2 + Draw(3);
    for (std::size_t i = 0; i < nodes; ++i) {
      cluster.nodes.push_back({fmt::format("node-{}", i), "2", static_cast<int>(6 + Draw(15))});
    }
    if (Draw(2) == 0) cluster.node_monitor_grace_period = seconds(20);
    cluster.machine.image_exists = [](const std::string&) { return true; };
    cluster.machine.behavior = [this](const ContainerConfig&) { return BehaviorOfContainer(); };
    if (Draw(3) == 0) {
      cluster.machine.sandbox_failure = 0.1;
      cluster.machine.start_failure = 0.1;
      cluster.machine.pull_failure = 0.2;
    }
    cluster_ = std::make_unique<SimulatedCluster>(env_, history_, truth_, *network_, *disk_, std::move(cluster), log_);
    faults_ = std::make_unique<Faults>(env_, history_, *cluster_, *network_, truth_, random_());
    WorkloadOptions workload;
    workload.max_pods = static_cast<int>(nodes) * 4;
    workload.namespaces = Draw(2) == 0;
    workload.owners = Draw(3) != 0;
    workload.taints = Draw(2) == 0;
    workload.disturbs_pods = Draw(3) != 0;
    workload_ = std::make_unique<Workload>(env_, truth_, *network_, owners_, workload, random_());
    planted_ = Plant(options_.bug, env_, truth_, *network_, *cluster_);

    truth_.OnChange([this](const api::StoredKind& unit, const TruthChange& change) {
      bindings_.Changed(unit, change);
      rollouts_.Changed(unit, change);
      owners_.Changed(unit, change);
    });
    faults_->on_disk_failure = [this] { rollouts_.LeaveOut(); };
    network_->on_arrival = [this](const std::string& user, const ApiRequest& request) {
      rollouts_.Arrived(user, request);
      owners_.Arrived(user, request);
    };
    network_->on_seen = [this](const std::string& strand, const ResourceDesc& resource, Revision revision) {
      owners_.Seen(strand, resource, revision);
    };
  }

  SimulatedBehavior BehaviorOfContainer() {
    SimulatedBehavior out;
    if (!faults_->pods_fail() || env_.random().Next() % 3 != 0) return out;
    out.run_for = std::chrono::milliseconds(env_.random().Next() % 20'000);
    out.exit_code = static_cast<int>(env_.random().Next() % 2);
    if (env_.random().Next() % 6 == 0) out.start_error = "exec: \"app\": executable file not found in $PATH";
    return out;
  }

  // Lets time pass, unless something is wrong. False if it is.
  bool Pass(Duration time) {
    const MonoTime end = env_.clock().MonoNow() + time;
    (void)env_.RunUntil([this] { return !verdict_.ok() || steps_ > kMostSteps; }, time);
    if (verdict_.ok() && steps_ > kMostSteps) verdict_.Broken(kConverges, "more than {} steps", kMostSteps);
    if (!verdict_.ok()) return false;
    const Duration left = end - env_.clock().MonoNow();
    if (left > Duration(0)) env_.RunFor(left);
    return true;
  }

  void Live() {
    for (Component* component : cluster_->components()) component->Start();
    if (!Pass(seconds(2))) return;
    workload_->Start();
    faults_->Start();
    if (!Pass(seconds(15) + Duration(seconds(Draw(45))))) return;
    faults_->Heal();
    workload_->Heal();
    Converge();
  }

  void Converge() {
    const MonoTime healed = env_.clock().MonoNow();
    std::vector<Problem> problems;
    Duration pause = seconds(1);
    int rested = 0;
    do {
      if (!Pass(pause)) return;
      problems = Unsettled(truth_, *cluster_);
      rested = problems.empty() && workload_->healed() ? rested + 1 : 0;
      pause = std::min(pause + pause / 4, Duration(seconds(20)));
    } while (rested < 3 && env_.clock().MonoNow() - healed < kConvergesWithin);
    if (rested < 3) {
      for (const Problem& problem : problems) verdict_.Broken(problem.promise, "{}", problem.text);
      if (problems.empty()) verdict_.Broken(kConverges, "it does not come to rest");
      return;
    }
    const Store* store = cluster_->store();
    if (store == nullptr) return verdict_.Broken(kConverges, "the API server does not run");
    truth_.Audit(*store, random_());
    history_.Add("simulation", "converged after {} s",
                 std::chrono::duration_cast<seconds>(env_.clock().MonoNow() - healed).count());
  }

  // In good order, as a host does it; nothing may stay.
  void StopAll() {
    for (std::size_t node = 0; node < cluster_->nodes(); ++node) cluster_->agent(node).Stop();
    cluster_->scheduler().Stop();
    cluster_->controllers().Stop();
    workload_->Stop();
    if (network_->watches() != 0) {
      verdict_.Broken(kNoLeakAtStop, "{} watches are left when every client has stopped", network_->watches());
    }
    cluster_->api().Stop();
    if (cluster_->subscribers_left() != 0) {
      verdict_.Broken(kNoLeakAtStop, "{} subscribers are left when the API server has stopped",
                      cluster_->subscribers_left());
    }
  }

  void TearDown() {
    const bool checked = verdict_.ok();
    workload_->Stop();
    cluster_.reset();   // asks the faults to the last
    workload_.reset();  // whose requests may still have been at the API server
    faults_.reset();
    network_.reset();
    if (checked && (env_.strands() != 0 || env_.timers() != 0)) {
      verdict_.Broken(kNoLeakAtStop, "{} strands and {} timers are left", env_.strands(), env_.timers());
    }
    planted_.reset();
  }

  const SimulationOptions options_;
  std::mt19937_64 random_;
  SimulatedEnv env_;
  History history_;
  Verdict verdict_;
  PrintedLog log_;
  Truth truth_;
  Readers readers_;
  BindingRules bindings_;
  RolloutRules rollouts_;
  OwnerRules owners_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<SimulatedCluster> cluster_;
  std::unique_ptr<Faults> faults_;
  std::unique_ptr<Workload> workload_;
  std::unique_ptr<PlantedBug> planted_;
  MonoTime start_{};
  std::uint64_t steps_ = 0;
};

}  // namespace

SimulationResult Simulate(const SimulationOptions& options) { return Simulation(options).Run(); }

}  // namespace minikube::simulation
