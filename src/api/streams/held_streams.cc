#include "api/streams/held_streams.h"

#include <algorithm>
#include <utility>

namespace minikube::api {

HeldStreams::HeldStreams(PulledStrand& strand, std::size_t& waiting, const Open& open) : waiting_(waiting) {
  ExecEvents events;
  events.on_output = [this](OutputStream stream, std::string data) {
    stream_ = stream;
    piece_ = std::move(data);
    at_ = 0;
  };
  events.on_taken = [this](std::size_t bytes) {
    bytes = std::min(bytes, own_waiting_);
    own_waiting_ -= bytes;
    waiting_ -= bytes;
    taken_ += bytes;
  };
  events.on_end = [this](Result<int> exit_code) { end_ = std::move(exit_code); };
  streams_ = open(
      strand, [this](Status status) { accepted_ = std::move(status); }, std::move(events));
}

HeldStreams::~HeldStreams() { waiting_ -= own_waiting_; }

void HeldStreams::Took(std::size_t bytes) {
  at_ += bytes;
  if (at_ < piece_.size()) return;
  piece_.clear();
  at_ = 0;
  streams_->ReadOn();
}

void HeldStreams::Write(std::string_view data) {
  if (input_closed_ || data.empty()) return;
  own_waiting_ += data.size();
  waiting_ += data.size();
  streams_->Write(std::string(data));
}

void HeldStreams::CloseInput() {
  if (!std::exchange(input_closed_, true)) streams_->CloseInput();
}

std::size_t HeldStreams::TakeTaken() { return std::exchange(taken_, 0); }

}  // namespace minikube::api
