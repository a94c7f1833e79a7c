// The prompts and resources of the conformance fixture.
import { inputRequired, ProtocolError } from '@modelcontextprotocol/server';

export const image = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
export const audio = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=';

export const resources = [
  { uri: 'test://static-text', name: 'static-text', description: 'Text', mimeType: 'text/plain' },
  { uri: 'test://static-binary', name: 'static-binary', description: 'An image', mimeType: 'image/png' },
  { uri: 'test://watched-resource', name: 'watched-resource', description: 'Changes', mimeType: 'text/plain' },
];

export const templates = [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'Data by id', mimeType: 'application/json' }];

export function readResource(uri, era) {
  const of = (content) => ({ contents: [{ uri, ...content }] });
  if (uri === 'test://static-text') return of({ mimeType: 'text/plain', text: 'This is the content of the static text resource.' });
  if (uri === 'test://static-binary') return of({ mimeType: 'image/png', blob: image });
  if (uri === 'test://watched-resource') return of({ mimeType: 'text/plain', text: 'watched' });
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id) return of({ mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) });
  throw new ProtocolError(era === 'legacy' ? -32002 : -32602, 'Resource not found', { uri });
}

const user = (content) => ({ role: 'user', content });
const text = (value) => user({ type: 'text', text: value });

export const prompts = {
  test_simple_prompt: { description: 'A prompt without arguments', call: () => ({ messages: [text('This is a simple prompt for testing.')] }) },
  test_prompt_with_arguments: {
    description: 'A prompt with arguments',
    arguments: [{ name: 'arg1', description: 'The first', required: true }, { name: 'arg2', description: 'The second', required: true }],
    call: ({ arg1, arg2 }) => ({ messages: [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  },
  test_prompt_with_embedded_resource: {
    description: 'A prompt with a resource',
    arguments: [{ name: 'resourceUri', description: 'Which', required: true }],
    call: ({ resourceUri }) => ({
      messages: [user({ type: 'resource', resource: { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } }), text('Please process the embedded resource above.')],
    }),
  },
  test_prompt_with_image: { description: 'A prompt with an image', call: () => ({ messages: [user({ type: 'image', data: image, mimeType: 'image/png' }), text('Please analyze the image above.')] }) },
  test_input_required_result_prompt: {
    description: 'A prompt that asks the person',
    call(args, req) {
      const answer = req.inputResponses?.user_context;
      if (!answer) {
        return inputRequired({
          inputRequests: { user_context: inputRequired.elicit({ message: 'What context should the prompt use?', requestedSchema: { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] } }) },
        });
      }
      return { messages: [text(`Context: ${answer.content?.context}`)] };
    },
  },
};
