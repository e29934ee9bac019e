//! Protobuf's fields as bytes, and how many each takes. Numbers of fields are below 16 here, so that a key is one byte.

use bytes::BufMut as _;
use prost::encoding::{encode_varint, encoded_len_varint};

/// Protobuf's wire types.
const VARINT: u8 = 0;
const COUNTED: u8 = 2;

/// Bytes of a field that holds so many: a key of one byte, their count, and themselves.
pub(super) fn counted(bytes: usize) -> usize {
    1 + encoded_len_varint(bytes as u64) + bytes
}

/// Zero is left out, as everywhere in this version of protobuf.
pub(super) fn number_len(number: u64) -> usize {
    if number == 0 {
        return 0;
    }
    chosen_len(number)
}

pub(super) fn put_number(buffer: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        put_chosen(buffer, field, number);
    }
}

/// One of several fields that exclude each other: there even where it is zero.
pub(super) fn put_chosen(buffer: &mut Vec<u8>, field: u8, number: u64) {
    buffer.put_u8(key(field, VARINT));
    encode_varint(number, buffer);
}

pub(super) fn chosen_len(number: u64) -> usize {
    1 + encoded_len_varint(number)
}

pub(super) fn put_count(buffer: &mut Vec<u8>, field: u8, bytes: usize) {
    buffer.put_u8(key(field, COUNTED));
    encode_varint(bytes as u64, buffer);
}

pub(super) fn put_counted(buffer: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    put_count(buffer, field, bytes.len());
    buffer.put_slice(bytes);
}

/// Left out where there are none.
pub(super) fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() {
        return 0;
    }
    counted(bytes.len())
}

pub(super) fn put_bytes(buffer: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_counted(buffer, field, bytes);
    }
}

const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}
