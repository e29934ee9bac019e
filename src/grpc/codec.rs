//! Protobuf on the wire. As tonic's own codec, but that bytes which are no message are the sender's mistake
//! (`INVALID_ARGUMENT`), not ours (`INTERNAL`), and carry a reason like every other refusal.

use prost::Message;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use super::status::with_reason;

/// Encodes `T` and decodes `U`. The generated services name it.
#[derive(Debug)]
pub struct MessageCodec<T, U>(ProstCodec<T, U>);

/// Decodes, and says whose mistake it is where it cannot.
#[derive(Debug)]
pub struct MessageDecoder<U>(ProstDecoder<U>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for MessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(self.0.decoder())
    }
}

impl<U: Message + Default> Decoder for MessageDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        self.0.decode(bytes).map_err(|problem| {
            with_reason(
                Code::InvalidArgument,
                "INVALID_ARGUMENT",
                problem.message(),
                "encode the request as the protos say",
            )
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
