//! Messages of any described type on the wire.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Encodes the requests and decodes the replies of one method.
pub struct DynamicCodec(MethodDescriptor);

/// Encodes any message.
pub struct Encode;

/// Decodes the replies of one method.
pub struct Decode(MethodDescriptor);

impl DynamicCodec {
    /// For the messages of `method`.
    #[must_use]
    pub fn new(method: MethodDescriptor) -> Self {
        Self(method)
    }
}

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Encode;
    type Decoder = Decode;

    fn encoder(&mut self) -> Encode {
        Encode
    }

    fn decoder(&mut self) -> Decode {
        Decode(self.0.clone())
    }
}

impl Encoder for Encode {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Decode {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.output(), from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
