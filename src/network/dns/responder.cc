// What is answered to a question.
#include <algorithm>
#include <utility>

#include "network/dns/server.h"

namespace minikube::network::dns {
namespace {

constexpr std::size_t kPlainDatagram = 512;  // RFC 1035
constexpr std::uint16_t kOwnPayload = 1232;  // what we send and take in one datagram: fits every path
constexpr std::size_t kLongestMessage = 65535;
constexpr int kMostAliases = 8;

}  // namespace

struct Responder::Asked {
  Message answer;
  std::string question_as_asked;
  std::size_t limit = kPlainDatagram;
  Reply reply;
};

void Responder::Respond(std::string_view bytes, Transport transport, bool ready, Reply reply) {
  auto asked = std::make_shared<Asked>();
  asked->reply = std::move(reply);
  if (transport == Transport::kStream) asked->limit = kLongestMessage;
  Message& answer = asked->answer;
  answer.response = true;
  answer.recursion_available = true;
  const auto message = ReadMessage(bytes);
  if (!message) {
    if (bytes.size() < 12 || (bytes[2] & 0x80) != 0) return asked->reply("");
    answer.id =
        static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]));
    answer.rcode = Rcode::kFormatError;
    return Finish(*asked);
  }
  // Who answers a question that is an answer keeps two servers talking for ever.
  if (message->response) return asked->reply("");
  answer.id = message->id;
  answer.opcode = message->opcode;
  answer.recursion_desired = message->recursion_desired;
  const auto refuse = [&](Rcode why) {
    answer.rcode = why;
    Finish(*asked);
  };
  if (message->edns) {
    answer.edns = Edns{kOwnPayload, 0};
    if (transport == Transport::kDatagram) {
      asked->limit = std::clamp<std::size_t>(message->edns->payload, kPlainDatagram, kOwnPayload);
    }
    if (message->edns->version != 0) return refuse(Rcode::kBadVersion);
  }
  if (message->opcode != 0) return refuse(Rcode::kNotImplemented);
  if (message->questions.size() != 1) return refuse(Rcode::kFormatError);
  const Question& question = message->questions.front();
  const std::string_view as_asked = QuestionSection(bytes);
  // A question is the first name of its message: there is nothing that it could point to.
  if (as_asked.size() != NameData(question.name).size() + 4) return refuse(Rcode::kFormatError);
  answer.questions = {question};
  asked->question_as_asked = as_asked;
  if (question.klass != kInternet) return refuse(Rcode::kRefused);
  if (!ready && IsWithin(question.name, zone_.domain())) return refuse(Rcode::kServerFailure);
  Resolve(asked, question, 0);
}

void Responder::Resolve(const std::shared_ptr<Asked>& asked, Question question, int aliases) {
  Message& answer = asked->answer;
  const auto take = [](std::vector<Record>& into, const std::vector<Record>& from) {
    into.insert(into.end(), from.begin(), from.end());
  };
  if (auto own = zone_.Resolve(question)) {
    if (aliases == 0) answer.authoritative = true;
    answer.rcode = own->rcode;
    // Clients take the first address: each its own.
    for (std::size_t i = own->answers.size(); i > 1; --i) {
      std::swap(own->answers[i - 1], own->answers[env_.random().Next() % i]);
    }
    take(answer.answers, own->answers);
    answer.authority = std::move(own->authority);
    answer.additional = std::move(own->additional);
    if (!own->alias || aliases == kMostAliases) return Finish(*asked);
    question.name = *std::move(own->alias);
    return Resolve(asked, std::move(question), aliases + 1);
  }
  if (!answer.recursion_desired) {
    if (aliases == 0) answer.rcode = Rcode::kRefused;
    return Finish(*asked);
  }
  upstream_.Ask(question, [this, alive = std::weak_ptr(alive_), asked, take](const Message& theirs) {
    if (alive.expired()) return;
    Message& answer = asked->answer;
    answer.rcode = theirs.rcode;
    take(answer.answers, theirs.answers);
    answer.authority = theirs.authority;
    answer.additional = theirs.additional;
    Finish(*asked);
  });
}

void Responder::Finish(Asked& asked) { asked.reply(WriteMessage(asked.answer, asked.limit, asked.question_as_asked)); }

}  // namespace minikube::network::dns
