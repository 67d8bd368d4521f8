#include "network/dns/message.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace minikube::network::dns {
namespace {

constexpr std::size_t kHeader = 12;
constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestLabel = 63;
constexpr std::size_t kOptSize = 11;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

void AppendLabel(std::string& name, std::string_view label) {
  if (!name.empty()) name += '.';
  for (const char raw : label) {
    const char c = Lower(raw);
    if (c == '.' || c == '\\') {
      name += '\\';
      name += c;
    } else if (c > ' ' && c < 0x7f) {
      name += c;
    } else {
      name += fmt::format("\\{:03}", static_cast<unsigned char>(c));
    }
  }
}

// Where the first label of a name ends.
std::size_t EndOfLabel(std::string_view name) {
  std::size_t at = 0;
  while (at < name.size() && name[at] != '.') at += name[at] == '\\' ? 2 : 1;
  return std::min(at, name.size());
}

std::string Unescaped(std::string_view label) {
  if (label.find('\\') == std::string_view::npos) return std::string(label);
  std::string out;
  const auto digit = [&](std::size_t at) { return at < label.size() && label[at] >= '0' && label[at] <= '9'; };
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (label[i] != '\\' || i + 1 == label.size()) {
      out += label[i];
    } else if (digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((label[i + 1] - '0') * 100 + (label[i + 2] - '0') * 10 + (label[i + 3] - '0'));
      i += 3;
    } else {
      out += label[++i];
    }
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  std::size_t at() const { return at_; }
  bool good() const { return good_; }

  std::uint8_t Byte() {
    if (at_ >= bytes_.size()) return Fail();
    return static_cast<std::uint8_t>(bytes_[at_++]);
  }
  std::uint16_t Short() {
    const unsigned high = Byte();
    return static_cast<std::uint16_t>(high << 8 | Byte());
  }
  std::uint32_t Long() {
    const std::uint32_t high = Short();
    return high << 16 | Short();
  }
  std::string_view Take(std::size_t size) {
    if (size > bytes_.size() - at_) {
      Fail();
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  // A pointer leads to before the place where the name, or the part of it that the last pointer led to, begins: so each
  // step goes back, and there is no circle.
  std::string Name() {
    std::string name;
    std::size_t size = 1;
    std::size_t from = at_;
    std::optional<std::size_t> after;
    for (;;) {
      const std::uint8_t length = Byte();
      if (!good_ || length == 0) break;
      if (length >= 0xc0) {
        const std::size_t target = (length & 0x3fU) << 8 | Byte();
        if (!good_ || target >= from) return Fail(), "";
        if (!after) after = at_;
        at_ = from = target;
        continue;
      }
      if (length > kLongestLabel) return Fail(), "";
      size += length + 1U;
      if (size > kLongestName) return Fail(), "";
      AppendLabel(name, Take(length));
    }
    if (after) at_ = *after;
    return name;
  }

 private:
  std::uint8_t Fail() {
    good_ = false;
    at_ = bytes_.size();
    return 0;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

void PutShort(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}
void PutLong(std::string& out, std::uint32_t value) {
  PutShort(out, value >> 16);
  PutShort(out, value & 0xffff);
}

// How the contents of a type are laid out, as far as there are names in them: bytes, names, then the rest.
struct Layout {
  std::size_t before = 0;
  int names = 0;
  bool compress = false;  // RFC 3597: only those of RFC 1035
};
Layout LayoutOf(std::uint16_t type) {
  switch (type) {
    case kNs:
    case 3:  // MD
    case 4:  // MF
    case kCname:
    case 7:  // MB
    case 8:  // MG
    case 9:  // MR
    case kPtr:
      return {0, 1, true};
    case kSoa:
    case 14:  // MINFO
      return {0, 2, true};
    case 15:  // MX
      return {2, 1, true};
    case 17:  // RP
      return {0, 2, false};
    case 18:  // AFSDB
    case 21:  // RT
    case 36:  // KX
      return {2, 1, false};
    case kSrv:
      return {6, 1, false};
    case 39:  // DNAME
      return {0, 1, false};
    default:
      return {};
  }
}

// The contents of a record with names written out.
std::optional<std::string> ReadData(Reader& reader, std::uint16_t type, std::size_t size) {
  const std::size_t end = reader.at() + size;
  const Layout layout = LayoutOf(type);
  std::string out(reader.Take(std::min(layout.before, size)));
  for (int i = 0; i < layout.names && reader.good() && reader.at() <= end; ++i) out += NameData(reader.Name());
  if (!reader.good() || reader.at() > end) return std::nullopt;
  out += reader.Take(end - reader.at());
  if (!reader.good() || out.size() > 0xffff) return std::nullopt;
  return out;
}

// False where the message does not go on.
bool ReadRecord(Reader& reader, std::vector<Record>& into, Message& message) {
  Record record;
  record.name = reader.Name();
  record.type = reader.Short();
  record.klass = reader.Short();
  record.ttl = reader.Long();
  const std::size_t size = reader.Short();
  if (!reader.good()) return false;
  auto data = ReadData(reader, record.type, size);
  if (!data) return false;
  if (record.type == kOpt) {
    message.edns = Edns{record.klass, static_cast<std::uint8_t>(record.ttl >> 16)};
    const unsigned whole = (record.ttl >> 24) << 4 | static_cast<unsigned>(message.rcode);
    if (whole <= 16) message.rcode = static_cast<Rcode>(whole);
    return true;
  }
  record.data = *std::move(data);
  into.push_back(std::move(record));
  return true;
}

class Writer {
 public:
  Writer(std::string& out, std::size_t limit) : out_(out), limit_(limit) {}

  void Name(std::string_view name, bool compress) {
    while (!name.empty()) {
      const auto [it, fresh] = seen_.try_emplace(std::string(name), out_.size());
      if (!fresh && compress) return PutShort(out_, 0xc000U | static_cast<unsigned>(it->second));
      if (fresh && out_.size() > 0x3fff) seen_.erase(it);
      const std::size_t end = EndOfLabel(name);
      const std::string label = Unescaped(name.substr(0, end));
      out_ += static_cast<char>(label.size());
      out_ += label;
      name.remove_prefix(std::min(end + 1, name.size()));
    }
    out_ += '\0';
  }

  // False, and nothing written, if it does not fit.
  bool Put(const Record& record) {
    const std::size_t before = out_.size();
    Name(record.name, true);
    PutShort(out_, record.type);
    PutShort(out_, record.klass);
    PutLong(out_, record.ttl);
    const std::size_t size_at = out_.size();
    PutShort(out_, 0);
    Data(record);
    const std::size_t size = out_.size() - size_at - 2;
    out_[size_at] = static_cast<char>(size >> 8);
    out_[size_at + 1] = static_cast<char>(size);
    if (out_.size() <= limit_) return true;
    out_.resize(before);
    std::erase_if(seen_, [before](const auto& entry) { return entry.second >= before; });
    return false;
  }

  void Remember(std::string_view name, std::size_t at) { seen_.try_emplace(std::string(name), at); }

 private:
  void Data(const Record& record) {
    const Layout layout = LayoutOf(record.type);
    Reader reader(record.data);
    const std::string_view before = reader.Take(std::min(layout.before, record.data.size()));
    std::vector<std::string> names;
    for (int i = 0; i < layout.names; ++i) names.push_back(reader.Name());
    if (!reader.good() || !layout.compress) {
      out_ += record.data;
      return;
    }
    out_ += before;
    for (const std::string& name : names) Name(name, true);
    out_ += std::string_view(record.data).substr(reader.at());
  }

  std::string& out_;
  const std::size_t limit_;
  std::map<std::string, std::size_t, std::less<>> seen_;
};

}  // namespace

std::vector<std::string> LabelsOf(std::string_view name) {
  std::vector<std::string> labels;
  while (!name.empty()) {
    const std::size_t end = EndOfLabel(name);
    labels.push_back(Unescaped(name.substr(0, end)));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return labels;
}

bool IsWithin(std::string_view name, std::string_view zone) {
  if (zone.empty() || name == zone) return true;
  return name.size() > zone.size() && name.ends_with(zone) && name[name.size() - zone.size() - 1] == '.';
}

std::string_view QuestionSection(std::string_view bytes) {
  if (bytes.size() < kHeader) return {};
  Reader reader(bytes);
  reader.Take(4);
  const std::uint16_t questions = reader.Short();
  reader.Take(6);
  for (int i = 0; i < questions && reader.good(); ++i) {
    (void)reader.Name();
    reader.Take(4);
  }
  return reader.good() ? bytes.substr(kHeader, reader.at() - kHeader) : std::string_view();
}

std::optional<Message> ReadMessage(std::string_view bytes) {
  if (bytes.size() < kHeader) return std::nullopt;
  Reader reader(bytes);
  Message message;
  message.id = reader.Short();
  const std::uint16_t flags = reader.Short();
  message.response = (flags & 0x8000) != 0;
  message.opcode = flags >> 11 & 0xf;
  message.authoritative = (flags & 0x0400) != 0;
  message.truncated = (flags & 0x0200) != 0;
  message.recursion_desired = (flags & 0x0100) != 0;
  message.recursion_available = (flags & 0x0080) != 0;
  message.rcode = static_cast<Rcode>(flags & 0xf);
  const std::uint16_t questions = reader.Short();
  const std::uint16_t answers = reader.Short();
  const std::uint16_t authority = reader.Short();
  const std::uint16_t additional = reader.Short();
  for (int i = 0; i < questions; ++i) {
    Question question;
    question.name = reader.Name();
    question.type = reader.Short();
    question.klass = reader.Short();
    if (!reader.good()) return std::nullopt;
    message.questions.push_back(std::move(question));
  }
  const auto section = [&](int count, std::vector<Record>& into) {
    for (int i = 0; i < count; ++i) {
      if (!ReadRecord(reader, into, message)) return message.truncated;
    }
    return true;
  };
  if (!section(answers, message.answers) || !section(authority, message.authority) ||
      !section(additional, message.additional)) {
    return std::nullopt;
  }
  return message;
}

std::string WriteMessage(const Message& message, std::size_t limit, std::string_view question_as_asked) {
  std::string out;
  const unsigned rcode = static_cast<unsigned>(message.rcode);
  PutShort(out, message.id);
  unsigned flags = (message.response ? 0x8000U : 0U) | static_cast<unsigned>(message.opcode & 0xf) << 11 |
                   (message.authoritative ? 0x0400U : 0U) | (message.truncated ? 0x0200U : 0U) |
                   (message.recursion_desired ? 0x0100U : 0U) | (message.recursion_available ? 0x0080U : 0U) |
                   (rcode & 0xf);
  PutShort(out, 0);
  PutShort(out, static_cast<unsigned>(message.questions.size()));
  for (int i = 0; i < 3; ++i) PutShort(out, 0);
  // Room for what is said last in any case.
  Writer writer(out, limit - std::min(limit, message.edns ? kOptSize : 0));
  if (!question_as_asked.empty()) {
    out += question_as_asked;
    if (message.questions.size() == 1) writer.Remember(message.questions.front().name, kHeader);
  } else {
    for (const Question& question : message.questions) {
      writer.Name(question.name, true);
      PutShort(out, question.type);
      PutShort(out, question.klass);
    }
  }
  std::size_t counts[3] = {};
  const std::vector<Record>* const sections[3] = {&message.answers, &message.authority, &message.additional};
  bool room = true;
  for (int i = 0; i < 3; ++i) {
    for (const Record& record : *sections[i]) {
      room = room && counts[i] < 0xffff && writer.Put(record);
      if (!room) break;
      ++counts[i];
    }
    if (!room && i == 0) flags |= 0x0200;
  }
  if (message.edns) {
    out += '\0';
    PutShort(out, kOpt);
    PutShort(out, message.edns->payload);
    PutLong(out, rcode >> 4 << 24 | static_cast<std::uint32_t>(message.edns->version) << 16);
    PutShort(out, 0);
    ++counts[2];
  }
  const auto set = [&out](std::size_t at, std::size_t value) {
    out[at] = static_cast<char>(value >> 8);
    out[at + 1] = static_cast<char>(value);
  };
  set(2, flags);
  for (std::size_t i = 0; i < 3; ++i) set(6 + 2 * i, counts[i]);
  return out;
}

std::string NameData(std::string_view name) {
  std::string out;
  for (const std::string& label : LabelsOf(name)) {
    out += static_cast<char>(std::min(label.size(), kLongestLabel));
    out += std::string_view(label).substr(0, kLongestLabel);
  }
  out += '\0';
  return out;
}

std::string SrvData(std::uint16_t priority, std::uint16_t weight, std::uint16_t port, std::string_view target) {
  std::string out;
  PutShort(out, priority);
  PutShort(out, weight);
  PutShort(out, port);
  return out + NameData(target);
}

std::string SoaData(std::string_view server, std::string_view mailbox, std::uint32_t serial, std::uint32_t minimum) {
  std::string out = NameData(server) + NameData(mailbox);
  PutLong(out, serial);
  PutLong(out, 7200);   // refresh
  PutLong(out, 1800);   // retry
  PutLong(out, 86400);  // expire
  PutLong(out, minimum);
  return out;
}

std::string TxtData(std::string_view text) {
  text = text.substr(0, 255);
  return static_cast<char>(text.size()) + std::string(text);
}

std::optional<std::string> NameIn(std::string_view data) {
  Reader reader(data);
  std::string name = reader.Name();
  return reader.good() ? std::optional(std::move(name)) : std::nullopt;
}

std::uint32_t MinimumIn(std::string_view soa) {
  if (soa.size() < 4) return 0;
  Reader reader(soa.substr(soa.size() - 4));
  return reader.Long();
}

}  // namespace minikube::network::dns
