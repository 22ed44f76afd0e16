-- Received messages are found by what an operator knows of them.
CREATE INDEX received_message ON received (message_id, id);
CREATE INDEX received_key     ON received (json_extract(body, '$.key'), id);
