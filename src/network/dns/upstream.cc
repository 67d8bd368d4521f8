#include "network/dns/upstream.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "network/dns/sockets.h"

namespace minikube::network::dns {
namespace {

constexpr std::size_t kLongestAnswer = 65'535;
constexpr std::uint16_t kPayload = 1232;  // fits every path unfragmented

std::string KeyOf(const Question& question) {
  return fmt::format("{} {} {}", question.name, question.type, question.klass);
}

Message Failure() {
  Message message;
  message.response = true;
  message.rcode = Rcode::kServerFailure;
  return message;
}

// For how many seconds the answer may be kept; 0 = not at all.
std::uint32_t LifeOf(const Message& answer) {
  if (answer.rcode != Rcode::kNoError && answer.rcode != Rcode::kNameError) return 0;
  std::optional<std::uint32_t> life;
  const auto shorten = [&life](std::uint32_t to) { life = std::min(life.value_or(to), to); };
  for (const auto* section : {&answer.answers, &answer.authority, &answer.additional}) {
    for (const Record& record : *section) shorten(record.ttl);
  }
  // RFC 2308: that there is nothing may be kept as long as the zone says.
  if (!answer.answers.empty()) return life.value_or(0);
  for (const Record& record : answer.authority) {
    if (record.type == kSoa) return std::min(life.value_or(0), MinimumIn(record.data));
  }
  return 0;
}

}  // namespace

// One question on its way: a datagram to one server after the other, and a connection where the answer is too long for
// one.
class Upstream::Query : public std::enable_shared_from_this<Query> {
 public:
  Query(Upstream& owner, std::string key, Question question)
      : owner_(owner), key_(std::move(key)), question_(std::move(question)) {}
  ~Query() { Close(); }

  void Start() {
    servers_ = owner_.options_.servers();
    Try();
  }
  // Nothing of it happens any more.
  void Abandon() {
    abandoned_ = true;
    Close();
  }

 private:
  void Try() {
    Close();
    if (servers_.empty() || tries_ == owner_.options_.tries) return Finish(Failure());
    server_ = servers_[static_cast<std::size_t>(tries_++) % servers_.size()];
    fd_ = ConnectTo(server_, Transport::kDatagram);
    if (fd_ < 0) return Later([this] { Try(); });
    const std::string message = Compose();
    if (!SendDatagram(fd_, message)) return Later([this] { Try(); });
    Await(FdEvent::kReadable, [this] { DatagramCame(); });
    SetTimer();
  }

  std::string Compose() {
    id_ = static_cast<std::uint16_t>(owner_.env_.random().Next());
    Message message;
    message.id = id_;
    message.recursion_desired = true;
    message.questions = {question_};
    message.edns = Edns{kPayload, 0};
    return WriteMessage(message, kLongestAnswer);
  }

  std::optional<Message> Read(std::string_view bytes) const {
    auto message = ReadMessage(bytes);
    const bool ours = message && message->response && message->id == id_ && message->questions.size() == 1 &&
                      message->questions.front() == question_;
    return ours ? std::move(message) : std::nullopt;
  }

  void DatagramCame() {
    watch_ = 0;
    for (;;) {
      const auto bytes = ReceiveDatagram(fd_);
      if (!bytes) {
        if (errno == EAGAIN) return Await(FdEvent::kReadable, [this] { DatagramCame(); });
        return Try();  // the server's machine says that nobody listens there
      }
      auto message = Read(*bytes);
      if (!message) continue;
      if (message->truncated) return TryConnection();
      // Another server may know better.
      const bool unhelpful = message->rcode != Rcode::kNoError && message->rcode != Rcode::kNameError;
      if (unhelpful && tries_ < static_cast<int>(servers_.size())) return Try();
      return Finish(*std::move(message));
    }
  }

  void TryConnection() {
    Close();
    fd_ = ConnectTo(server_, Transport::kStream);
    if (fd_ < 0) return Later([this] { Try(); });
    const std::string message = Compose();
    outgoing_ = {static_cast<char>(message.size() >> 8), static_cast<char>(message.size())};
    outgoing_ += message;
    incoming_.clear();
    Await(FdEvent::kWritable, [this] { Write(); });
    SetTimer();
  }

  void Write() {
    watch_ = 0;
    if (!SendSome(fd_, outgoing_)) return Try();
    if (!outgoing_.empty()) return Await(FdEvent::kWritable, [this] { Write(); });
    Await(FdEvent::kReadable, [this] { StreamCame(); });
  }

  void StreamCame() {
    watch_ = 0;
    // A server may close with its answer.
    const bool open = ReceiveSome(fd_, incoming_, kLongestAnswer + 2);
    if (const auto first = FirstMessage(incoming_)) {
      auto message = Read(*first);
      return message && !message->truncated ? Finish(*std::move(message)) : Try();
    }
    if (!open) return Try();
    Await(FdEvent::kReadable, [this] { StreamCame(); });
  }

  void Await(FdEvent event, std::function<void()> then) {
    watch_ = owner_.env_.WatchFd(fd_, event, owner_.strand_, [weak = weak_from_this(), then = std::move(then)] {
      if (const auto self = weak.lock(); self && self->fd_ >= 0) then();
    });
    if (watch_ == 0) Later([this] { Try(); });
  }
  void SetTimer() {
    owner_.strand_.Cancel(timer_);
    timer_ = owner_.strand_.After(owner_.options_.try_timeout, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && self->fd_ >= 0) self->Try();
    });
  }
  void Later(std::function<void()> then) {
    owner_.strand_.Post([weak = weak_from_this(), then = std::move(then)] {
      if (const auto self = weak.lock(); self && !self->finished_ && !self->abandoned_) then();
    });
  }
  void Close() {
    if (watch_ != 0) owner_.env_.UnwatchFd(std::exchange(watch_, 0));
    if (timer_ != 0) owner_.strand_.Cancel(std::exchange(timer_, 0));
    CloseSocket(fd_);
  }
  void Finish(Message answer) {
    Close();
    finished_ = true;
    // Never from within Ask.
    owner_.strand_.Post([self = shared_from_this(), answer = std::move(answer)]() mutable {
      if (!self->abandoned_) self->owner_.Done(self->key_, std::move(answer));
    });
  }

  Upstream& owner_;
  const std::string key_;
  const Question question_;
  std::vector<std::string> servers_;
  std::string server_;
  int tries_ = 0;
  std::uint16_t id_ = 0;
  int fd_ = -1;
  std::uint64_t watch_ = 0;
  TimerId timer_ = 0;
  std::string outgoing_;
  std::string incoming_;
  bool finished_ = false;
  bool abandoned_ = false;
};

Upstream::Upstream(UpstreamOptions options, Env& env, Strand& strand)
    : options_(std::move(options)), env_(env), strand_(strand), cache_(options_.cache_entries) {}

Upstream::~Upstream() {
  for (auto& [key, waiting] : queries_) waiting.query->Abandon();
}

void Upstream::Ask(const Question& question, Answered answered) {
  const std::string key = KeyOf(question);
  const MonoTime now = env_.clock().MonoNow();
  if (const Kept* kept = cache_.Find(key); kept != nullptr && now < kept->until) {
    Message answer = kept->message;
    const auto age =
        static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now - kept->stored).count());
    for (auto* section : {&answer.answers, &answer.authority, &answer.additional}) {
      for (Record& record : *section) record.ttl -= std::min(record.ttl, age);
    }
    return answered(answer);
  }
  if (waiting_ >= options_.max_waiting) return answered(Failure());
  const auto it = queries_.find(key);
  if (it != queries_.end()) {
    ++waiting_;
    it->second.waiting.push_back(std::move(answered));
    return;
  }
  if (queries_.size() >= options_.max_in_flight) return answered(Failure());
  ++waiting_;
  Waiting& entry = queries_[key];
  entry.query = std::make_shared<Query>(*this, key, question);
  entry.waiting.push_back(std::move(answered));
  entry.query->Start();
}

void Upstream::Done(const std::string& key, Message answer) {
  auto node = queries_.extract(key);
  if (node.empty()) return;
  waiting_ -= node.mapped().waiting.size();
  Keep(key, answer);
  for (const Answered& answered : node.mapped().waiting) answered(answer);
}

void Upstream::Keep(const std::string& key, const Message& answer) {
  const std::uint32_t life = std::min(LifeOf(answer), options_.longest_seconds);
  if (life == 0) return;
  Kept& kept = cache_[key];
  kept.message = answer;
  kept.stored = env_.clock().MonoNow();
  kept.until = kept.stored + std::chrono::seconds(life);
}

}  // namespace minikube::network::dns
