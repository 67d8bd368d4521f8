// Messages of the Domain Name System: reading and writing them. RFC 1035, with EDNS(0) (RFC 6891).
//
// Whatever bytes come, reading ends, in time and memory proportional to them. Pure functions: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace minikube::network::dns {

// The types that this code knows by name; others pass through.
enum Type : std::uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kOpt = 41,
  kAny = 255,
};
inline constexpr std::uint16_t kInternet = 1;

enum class Rcode : std::uint8_t {
  kNoError = 0,
  kFormatError = 1,
  kServerFailure = 2,
  kNameError = 3,
  kNotImplemented = 4,
  kRefused = 5,
  kBadVersion = 16,  // needs EDNS
};

// A name is text in lower case without the final dot ("web.default.svc.cluster.local"; "" is the root), with \. and
// \DDD for what is no part of a plain name. At most 255 bytes in a message.

struct Question {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t klass = kInternet;
  friend bool operator==(const Question&, const Question&) = default;
};

struct Record {
  std::string name;
  std::uint16_t type = 0;
  std::uint16_t klass = kInternet;
  std::uint32_t ttl = 0;
  std::string data;  // as in a message, names in it not compressed
  friend bool operator==(const Record&, const Record&) = default;
};

struct Edns {
  std::uint16_t payload = 1232;  // bytes that a datagram to the sender may have
  std::uint8_t version = 0;
};

struct Message {
  std::uint16_t id = 0;
  bool response = false;
  std::uint8_t opcode = 0;
  bool authoritative = false;
  bool truncated = false;
  bool recursion_desired = false;
  bool recursion_available = false;
  Rcode rcode = Rcode::kNoError;
  std::vector<Question> questions;
  std::vector<Record> answers;
  std::vector<Record> authority;
  std::vector<Record> additional;  // without OPT, which is `edns`
  std::optional<Edns> edns;
};

// nullopt if it is no message. A truncated one ends where it ends, so not every announced record is there.
std::optional<Message> ReadMessage(std::string_view bytes);

// At most `limit` bytes: records that do not fit are left out from the end; that is said (`truncated`) if it is an
// answer that is missing. Names are compressed where every reader understands it (RFC 3597 section 4). With
// `question_as_asked`, the bytes of a question section, that one is written, so that its letters' case comes back.
std::string WriteMessage(const Message& message, std::size_t limit, std::string_view question_as_asked = {});

// The bytes of the section of questions of a message that ReadMessage took.
std::string_view QuestionSection(std::string_view bytes);

// Contents of records.
std::string NameData(std::string_view name);  // of kCname, kNs, kPtr
std::string SrvData(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target);
std::string SoaData(std::string_view server, std::string_view mailbox, std::uint32_t serial, std::uint32_t minimum);
std::string TxtData(std::string_view text);
// The name that such contents begin with; nullopt if they do not.
std::optional<std::string> NameIn(std::string_view data);
// The last number of a kSoa's: for how long its names may be taken not to be (RFC 2308).
std::uint32_t MinimumIn(std::string_view soa);

// The labels of a name, unescaped.
std::vector<std::string> LabelsOf(std::string_view name);
// Whether `name` is `zone` or below it.
bool IsWithin(std::string_view name, std::string_view zone);

}  // namespace minikube::network::dns
